/* ops [--device NAME] [--op NAME] [--seed N] [--threads N] [--most BYTES] [--bench]: every op of a device
 * against the plain CPU. --most leaves out cases with a larger tensor, for tools under which all is slow. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"

static const struct {
    void (*run)(check *c);
    bool nets; /* once for each type that the device computes with */
} families[] = {
    { check_linear, true },    { check_conv, true },   { check_norm, true },    { check_attention, true },
    { check_pointwise, true }, { check_image, false }, { check_resize, false }, { check_colour, false },
    { check_warp, false },     { check_fill, false },
};

static void to_stderr(void *opaque, int level, const char *stage, const char *line)
{
    (void)opaque, (void)level;
    fprintf(stderr, "%s: %s\n", stage, line);
}

int main(int argc, char **argv)
{
    static const sc_dtype types[] = { SC_F32, SC_F16, SC_BF16 };
    static check c = { .seed = 1 };
    sc_device_options o = { .name = "cpu" };
    sc_device *dev[2] = { NULL, NULL };
    const sc_logger log = { .write = to_stderr, .level = SC_LOG_WARNING };

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--bench"))
            c.bench = true;
        else if (!strcmp(argv[i], "--op") && ++i)
            c.only = value;
        else if (!strcmp(argv[i], "--seed") && ++i)
            c.seed = strtoull(value, NULL, 10);
        else if (!strcmp(argv[i], "--device") && ++i)
            o.name = value;
        else if (!strcmp(argv[i], "--threads") && ++i)
            o.threads = atoi(value);
        else if (!strcmp(argv[i], "--most") && ++i)
            c.most = (size_t)strtoull(value, NULL, 10);
        else {
            fprintf(stderr, "ops [--device NAME] [--op NAME] [--seed N] [--threads N] [--most BYTES] "
                            "[--bench]\n");
            return 1;
        }
    }
    if (sc_device_open(&dev[0], &(sc_device_options){ .name = "cpu", .cpu_plain = true }, &log) < 0)
        return 1;
    if (sc_device_open(&dev[1], &o, &log) < 0)
        return !strncmp(o.name, "cuda", 4) ? 77 : 1;
    for (int i = 0; i < SC_COUNT(types); i++) {
        c.dtype = types[i];
        if (!(dev[1]->dtypes & 1u << types[i]))
            continue;
        for (int s = 0; s < 2; s++)
            if (sc_exec_open(&c.exec[s], dev[s], &log, s ? types[i] : SC_F32, 1 << 20) < 0)
                return 1;
        for (int f = 0; f < SC_COUNT(families); f++)
            if (families[f].nets || types[i] == SC_F32)
                families[f].run(&c);
        for (int s = 0; s < 2; s++)
            sc_exec_close(&c.exec[s]);
    }
    for (int s = 0; s < 2; s++)
        sc_device_close(&dev[s]);
    printf("%d passed, %d failed\n", c.passed, c.failed);
    return c.failed != 0;
}
