/* ops [--device NAME] [--op NAME] [--seed N] [--threads N] [--share I/N] [--most BYTES] [--plain]
 * [--cache-dir DIR] [--bench]: every op of a device against the plain CPU. For tools under which all is slow:
 * --share does every Nth case from the Ith (0..) on, --most leaves out cases with a larger tensor. --plain,
 * --cache-dir: see sc_device_options. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"

static const struct {
    void (*run)(check *c);
    sc_dtype last; /* once for each type up to this one that the device computes with */
} families[] = {
    { check_linear, SC_F8 },      { check_conv, SC_F8 },        { check_norm, SC_BF16 },
    { check_attention, SC_BF16 }, { check_pointwise, SC_BF16 }, { check_image, SC_F32 },
    { check_resize, SC_F32 },     { check_colour, SC_F32 },     { check_warp, SC_F32 },
    { check_fill, SC_F32 },
};

static void to_stderr(void *opaque, int level, const char *stage, const char *line)
{
    (void)opaque, (void)level;
    fprintf(stderr, "%s: %s\n", stage, line);
}

/* All families in one type of a device. */
static int run(check *c, sc_device *const dev[2], sc_dtype type, const sc_logger *log)
{
    const sc_dtype act = type == SC_F8 ? SC_F16 : type;

    c->dtype = type;
    for (int s = 0; s < 2; s++)
        if (sc_exec_open(&c->exec[s], dev[s], log, s ? act : SC_F32, 128 << 20) < 0)
            return -1;
    for (int f = 0; f < SC_COUNT(families); f++)
        if (type <= families[f].last && !(c->tf32 && families[f].last == SC_F32))
            families[f].run(c);
    for (int s = 0; s < 2; s++)
        sc_exec_close(&c->exec[s]);
    return 0;
}

int main(int argc, char **argv)
{
    static const sc_dtype types[] = { SC_F32, SC_F16, SC_BF16, SC_F8 };
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
        else if (!strcmp(argv[i], "--share") && ++i && sscanf(value, "%d/%d", &c.share, &c.shares) == 2)
            continue;
        else if (!strcmp(argv[i], "--most") && ++i)
            c.most = (size_t)strtoull(value, NULL, 10);
        else if (!strcmp(argv[i], "--plain"))
            o.plain = true;
        else if (!strcmp(argv[i], "--cache-dir") && ++i)
            o.cache_dir = value;
        else {
            fprintf(stderr, "ops [--device NAME] [--op NAME] [--seed N] [--threads N] [--share I/N] "
                            "[--most BYTES] [--plain] [--cache-dir DIR] [--bench]\n");
            return 1;
        }
    }
    if (sc_device_open(&dev[0], &(sc_device_options){ .name = "cpu", .plain = true }, &log) < 0)
        return 1;
    /* First as is, then, on tensor cores that have bf16 and so tf32, fp32 by them. */
    for (int tf32 = 0; tf32 < 2; tf32++) {
        o.tf32 = c.tf32 = tf32;
        if (sc_device_open(&dev[1], &o, &log) < 0)
            return !strncmp(o.name, "cuda", 4) ? 77 : 1;
        if (!tf32 || dev[1]->dtypes & 1u << SC_BF16)
            for (int i = 0; i < (tf32 ? 1 : SC_COUNT(types)); i++)
                if (dev[1]->dtypes & 1u << types[i] && run(&c, dev, types[i], &log) < 0)
                    return 1;
        sc_device_close(&dev[1]);
    }
    sc_device_close(&dev[0]);
    if (!c.bench)
        check_table(&c);
    printf("%d passed, %d failed\n", c.passed, c.failed);
    return c.failed != 0;
}
