/* Files of options: what they come to on a command line. */
#include <stdio.h>
#include <string.h>

#include "../../src/options.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sc_config c;
    static sc_options o;
    char text[SC_CONFIG_BYTES + 1], error[96], *argv[SC_CONFIG_WORDS + 1] = { "" };

    size = SC_MIN(size, sizeof text - 1);
    memcpy(text, data, size);
    text[size] = 0;
    memset(error, 'x', sizeof error);
    c = (sc_config){ 0 };
    const int ret = sc_config_parse(&c, text, "fuzz.txt", error, sizeof error);
    expect(ret == 0 || (ret == SC_ERR_USAGE && memchr(error, 0, sizeof error) && error[0]));
    expect(c.words >= 0 && c.words <= SC_CONFIG_WORDS);
    for (int i = 0; i < c.words; i++) {
        expect(c.word[i] >= c.text && c.word[i] < c.text + sizeof c.text && c.line[i] > 0);
        argv[i + 1] = c.word[i];
    }
    sc_options_default(&o);
    const int parsed = sc_options_parse(&o, c.words + 1, argv, error, sizeof error);
    expect(parsed == 0 || parsed == SC_ERR_USAGE);
    return 0;
}

size_t fuzz_seed(int i, uint8_t *out, size_t max)
{
    static const char *const seeds[] = {
        "# mine\nlayout = hsbs\nmax-disparity = 1.5\n-crf = 20\n\ny = yes\nmatch=no\n",
        "models = \"/a b/\\\"c\\\\\"\r\nfidelity = reference\n--viewer =\tquest  \n",
        "input = \nto = \nvram = 8G\nprecision = depth.unet=bf16,vae=fp32\n",
        "layout = 3d\n",
        "= 1\nname\n",
    };
    if (i >= SC_COUNT(seeds))
        return 0;
    const size_t n = SC_MIN(strlen(seeds[i]), max);
    memcpy(out, seeds[i], n);
    return n;
}
