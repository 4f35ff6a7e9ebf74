/* golden [--device NAME] FOLDER: the networks on a device against numbers from Python in FOLDER.
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

int main(int argc, char **argv)
{
    const sc_logger log = { .write = to_stderr, .level = SC_LOG_WARNING };
    sc_device_options o = { .name = "cpu" };
    sc_device *dev = NULL;
    sc_exec x = { 0 };
    golden_tally tally = { 0 };

    if (argc == 4 && !strcmp(argv[1], "--models"))
        return toy_write_models(argv[2], argv[3]) < 0;
    if (argc == 4 && !strcmp(argv[1], "--device"))
        o.name = argv[2];
    else if (argc != 2) {
        fprintf(stderr, "golden [--device NAME] FOLDER\ngolden --models DIR FOLDER\n");
        return 1;
    }
    if (sc_device_open(&dev, &o, &log) < 0)
        return !strncmp(o.name, "cuda", 4) ? 77 : 1;
    if (sc_exec_open(&x, dev, &log, SC_F32, 0) < 0)
        return 1;
    golden_quick(&x, &tally, argv[argc - 1]);
    golden_nets(&x, &tally, argv[argc - 1]);
    sc_exec_close(&x);
    sc_device_close(&dev);
    printf("%d passed, %d failed\n", tally.passed, tally.failed);
    return tally.failed != 0;
}
