/* golden [--device NAME] FOLDER: the networks on a device against numbers from Python in FOLDER.
 * golden [--device NAME] --full PRECISION MODELS: the same of networks as they are published.
 * golden --models DIR FOLDER: writes the toy networks into DIR as a folder of published weights. */
#include <stdio.h>
#include <string.h>

#include "golden.h"
#include "toy.h"

static void to_stderr(void *opaque, int level, const char *stage, const char *line)
{
    (void)opaque, (void)level;
    fprintf(stderr, "%s: %s\n", stage, line);
}

static int usage(void)
{
    fprintf(stderr, "golden [--device NAME] FOLDER\n"
                    "golden [--device NAME] --full PRECISION MODELS\n"
                    "golden --models DIR FOLDER\n");
    return 1;
}

/* On the device if it has fp8, else on the plain loops, which take it with f32 activations. */
static int narrow(golden_tally *tally, const char *device, bool has, const char *folder, const sc_logger *log)
{
    const sc_device_options o = { .name = has ? device : "cpu", .plain = !has };
    sc_device *dev = NULL;
    sc_exec x = { 0 };
    int ret = sc_device_open(&dev, &o, log);

    if (ret >= 0)
        ret = sc_exec_open(&x, dev, log, has ? SC_F16 : SC_F32, 0);
    if (ret >= 0)
        golden_narrow(&x, tally, folder);
    if (x.dev)
        sc_exec_close(&x);
    sc_device_close(&dev);
    return ret;
}

int main(int argc, char **argv)
{
    const sc_logger log = { .write = to_stderr, .level = SC_LOG_WARNING };
    sc_device_options o = { .name = "cpu" };
    sc_device *dev = NULL;
    sc_exec x = { 0 };
    golden_tally tally = { 0 };
    sc_precision full, native;
    bool is_full = false;
    int i = 1;

    if (argc == 4 && !strcmp(argv[1], "--models"))
        return toy_write_models(argv[2], argv[3]) < 0;
    for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
        if (!strcmp(argv[i], "--device"))
            o.name = argv[i + 1];
        else if (!strcmp(argv[i], "--full") && sc_precision_parse(&full, argv[i + 1], &log) >= 0)
            is_full = true;
        else
            return usage();
    }
    if (i != argc - 1)
        return usage();
    o.tf32 = is_full && full.tf32;
    if (sc_device_open(&dev, &o, &log) < 0)
        return !strncmp(o.name, "cuda", 4) ? 77 : 1;
    if (sc_exec_open(&x, dev, &log, SC_F32, 0) < 0)
        return 1;
    if (is_full) {
        native = full;
        sc_precision_widen(&native, dev->dtypes, SC_LOG_WARNING, &log);
        golden_full(&x, &tally, argv[i], &native);
    } else {
        golden_quick(&x, &tally, argv[i]);
        golden_nets(&x, &tally, argv[i]);
        golden_vae3d(&x, &tally, argv[i]);
    }
    const bool has = dev->dtypes & 1u << SC_F8;
    sc_exec_close(&x);
    sc_device_close(&dev);
    if (!is_full && narrow(&tally, o.name, has, argv[i], &log) < 0)
        return 1;
    printf("%d passed, %d failed\n", tally.passed, tally.failed);
    return tally.failed != 0;
}
