/* Command lines: words separated by newlines. */
#include <stdio.h>
#include <string.h>

#include "../../src/options.h"
#include "../../src/precision.h"
#include "fuzz.h"

enum { MAX_WORDS = 24, MAX_TEXT = 4096 };

static void ignore(void *opaque, int level, const char *stage, const char *line)
{
    (void)opaque, (void)level, (void)stage, (void)line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const sc_logger log = { .write = ignore, .level = SC_LOG_DEBUG };
    char text[MAX_TEXT + 1], error[128], *argv[MAX_WORDS + 1] = { "" };
    sc_options o;
    sc_precision p;
    int argc = 1;

    size = SC_MIN(size, MAX_TEXT);
    memcpy(text, data, size);
    text[size] = 0;
    for (char *s = text, *end; s && argc < MAX_WORDS; s = end) {
        argv[argc++] = s;
        end = strchr(s, '\n');
        if (end)
            *end++ = 0;
    }
    memset(error, 'x', sizeof error);
    sc_options_default(&o);
    const int ret = sc_options_parse(&o, argc, argv, error, sizeof error);
    expect(ret == 0 || ret == SC_ERR_USAGE);
    if (ret) {
        expect(memchr(error, 0, sizeof error) && error[0]);
        return 0;
    }
    expect(o.help || o.version || o.info || o.print_config || o.bench ||
           (o.set.input && (o.set.output[0].path || o.set.output[0].format == SC_FORMAT_NULL)));
    expect((o.set.max_disparity >= 0 || o.set.fidelity == SC_FIDELITY_REFERENCE) &&
           o.set.max_disparity <= 10 && o.set.convergence >= 0 && o.set.convergence <= 1);
    expect(o.set.start >= 0 && o.set.inpaint_tile % 64 == 0);
    expect(o.set.outputs >= 1 && o.set.outputs <= SC_MAX_OUTPUTS);
    for (int i = 0; i < o.set.outputs; i++)
        expect(o.set.output[i].layout >= 0 && o.set.output[i].layout < SC_LAYOUTS &&
               (i == 0 || o.set.output[i].path));
    FILE *f = fopen("/dev/null", "w");
    if (f) {
        sc_options_print(f, &o);
        fclose(f);
    }
    if (sc_precision_parse(&p, o.set.precision, &log) >= 0)
        sc_precision_widen(&p, 1u << SC_F32 | 1u << SC_F16, SC_LOG_DEBUG, &log);
    return 0;
}

size_t fuzz_seed(int i, uint8_t *out, size_t max)
{
    static const char *const seeds[] = {
        "in.mp4\nout.mp4\n--layout\nhsbs\n--max-disparity\n3.5\n--convergence=0.25\n-y",
        "-i\nin.mkv\n-ss\n1:02:03.5\n-to\n2:00:00\n-c:v\nlibx265\n-crf\n20\n-preset\nslow\nout.mkv",
        "a\nb\n--precision\ndepth.unet=bf16,vae=fp32,fp16\n--seed\n9000000000000000\n--no-match",
        "/a/b.c/film.webm\n-t\n1500ms\n--inpaint\nnetwork\n--inpaint-tile\n512\n--depth-window\n60",
        "--help\nfull",
        "a\n--layout\nsbs\nb\n--layout\ntab\n-c:v\nffv1\nc\n-o\nd",
        "--bench\n--report\nr.json",
        "--info",
        "a\n-f\nnull",
        "--print-config\n--models\na \"b\"\n--threads\n4\n--progress\njson",
        "a\nb\n--depth-overlap\n1e1\n--max-disparity\n0.000001e5\n--frames\n1e12",
        "--\n-a\n-b",
        "--score\nleft\nright\nmade\n-t\n1",
    };
    if (i >= SC_COUNT(seeds))
        return 0;
    const size_t n = SC_MIN(strlen(seeds[i]), max);
    memcpy(out, seeds[i], n);
    return n;
}
