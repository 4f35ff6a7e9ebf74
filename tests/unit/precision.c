/* --precision: presets, lists, and what a device without a type makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/precision.h"

#define ALL (1u << SC_F32 | 1u << SC_F16 | 1u << SC_BF16 | 1u << SC_F8)

typedef struct counter {
    int lines[4];
    char last[512];
} counter;

static void count_line(void *opaque, int level, const char *stage, const char *line)
{
    counter *c = opaque;
    assert_string_equal(stage, "precision");
    c->lines[level]++;
    strncpy(c->last, line, sizeof c->last - 1);
}

static int parse(sc_precision *p, const char *text, unsigned dtypes, counter *c)
{
    const sc_logger log = { .write = count_line, .opaque = c, .level = SC_LOG_DEBUG };
    *c = (counter){ 0 };
    const int ret = sc_precision_parse(p, text, &log);
    if (ret >= 0)
        sc_precision_widen(p, dtypes, text ? SC_LOG_WARNING : SC_LOG_DEBUG, &log);
    return ret;
}

static void check(const sc_precision *p, sc_net n, sc_dtype weight, sc_dtype act)
{
    assert_int_equal(p->net[n].weight, weight);
    assert_int_equal(p->net[n].act, act);
}

static void presets(void **state)
{
    sc_precision p;
    counter c;
    (void)state;
    assert_int_equal(parse(&p, NULL, ALL, &c), 0);
    check(&p, SC_NET_DEPTH_UNET, SC_F16, SC_F16);
    check(&p, SC_NET_VAE, SC_F16, SC_F16);
    check(&p, SC_NET_VAE_ENCODER, SC_BF16, SC_BF16);
    assert_int_equal(parse(&p, "reference", ALL, &c), 0);
    for (int i = 0; i < SC_NET_COUNT; i++)
        check(&p, (sc_net)i, SC_F32, SC_F32);
    assert_int_equal(parse(&p, "bf16", ALL, &c), 0);
    check(&p, SC_NET_INPAINT_UNET, SC_BF16, SC_BF16);
    check(&p, SC_NET_VAE, SC_F16, SC_F16);
    check(&p, SC_NET_VAE_ENCODER, SC_BF16, SC_BF16);
    assert_int_equal(parse(&p, "fp8", ALL, &c), 0);
    check(&p, SC_NET_DEPTH_UNET, SC_F8, SC_F16);
    check(&p, SC_NET_INPAINT_UNET, SC_F8, SC_F16);
    check(&p, SC_NET_VAE, SC_F16, SC_F16);
    check(&p, SC_NET_QUICK, SC_F16, SC_F16);
    assert_true(p.tf32);
    assert_int_equal(c.lines[SC_LOG_WARNING], 0);
}

static void lists(void **state)
{
    sc_precision p;
    counter c;
    (void)state;
    assert_int_equal(parse(&p, "depth.unet=bf16,vae=fp32", ALL, &c), 0);
    check(&p, SC_NET_DEPTH_UNET, SC_BF16, SC_BF16);
    check(&p, SC_NET_INPAINT_UNET, SC_F16, SC_F16);
    check(&p, SC_NET_VAE, SC_F32, SC_F32);
    check(&p, SC_NET_VAE_ENCODER, SC_F32, SC_F32);
    assert_int_equal(parse(&p, "vae=fp32,vae.encoder=fp16", ALL, &c), 0);
    check(&p, SC_NET_VAE, SC_F32, SC_F32);
    check(&p, SC_NET_VAE_ENCODER, SC_F16, SC_F16);
    assert_true(parse(&p, "depth=fp16", ALL, &c) < 0);
    assert_true(parse(&p, "va=fp16", ALL, &c) < 0);
    assert_int_equal(parse(&p, "fp32,inpaint.unet=fp8", ALL, &c), 0);
    check(&p, SC_NET_INPAINT_UNET, SC_F8, SC_F16);
    check(&p, SC_NET_CLIP, SC_F32, SC_F32);
    assert_int_equal(parse(&p, "vae=bf16,reference", ALL, &c), 0); /* the last word counts */
    check(&p, SC_NET_VAE, SC_F32, SC_F32);
}

static void fast_fp32(void **state)
{
    sc_precision p;
    counter c;
    (void)state;
    assert_int_equal(parse(&p, "tf32", ALL, &c), 0);
    assert_true(p.tf32);
    check(&p, SC_NET_DEPTH_UNET, SC_F32, SC_F32);
    assert_int_equal(parse(&p, "tf32,clip=fp16", ALL, &c), 0);
    assert_true(p.tf32);
    check(&p, SC_NET_CLIP, SC_F16, SC_F16);
    assert_int_equal(parse(&p, "tf32,fp32", ALL, &c), 0); /* the last word counts */
    assert_false(p.tf32);
    assert_int_equal(parse(&p, "tf32,reference", ALL, &c), 0);
    assert_false(p.tf32);
    assert_int_equal(parse(&p, NULL, ALL, &c), 0); /* for what is fp32 by default */
    assert_true(p.tf32);
    assert_int_equal(parse(&p, "vae=fp32", ALL, &c), 0);
    assert_false(p.tf32);
    assert_int_equal(parse(&p, "clip=bf16", ALL, &c), 0);
    assert_true(p.tf32);
    assert_int_equal(parse(&p, "tf32", 1u << SC_F32, &c), 0);
    assert_false(p.tf32);
    assert_int_equal(c.lines[SC_LOG_WARNING], 1);
}

static void widening(void **state)
{
    sc_precision p;
    counter c;
    (void)state;
    assert_int_equal(parse(&p, "fp16", 1u << SC_F32, &c), 0);
    for (int i = 0; i < SC_NET_COUNT; i++)
        check(&p, (sc_net)i, SC_F32, SC_F32);
    assert_int_equal(c.lines[SC_LOG_WARNING], SC_NET_COUNT);
    assert_int_equal(parse(&p, "reference,clip=fp8", ALL & ~(1u << SC_F8), &c), 0);
    check(&p, SC_NET_CLIP, SC_F16, SC_F16);
    assert_int_equal(c.lines[SC_LOG_WARNING], 1);
    assert_non_null(strstr(c.last, "clip"));
    assert_non_null(strstr(c.last, "no fp8, fp16"));
    assert_int_equal(parse(&p, "reference,clip=fp8", 1u << SC_F32, &c), 0); /* two steps, one line */
    check(&p, SC_NET_CLIP, SC_F32, SC_F32);
    assert_int_equal(c.lines[SC_LOG_WARNING], 1);
    /* Nobody chose the default, so a CPU run says nothing of it. */
    assert_int_equal(parse(&p, NULL, 1u << SC_F32, &c), 0);
    assert_int_equal(c.lines[SC_LOG_WARNING], 0);
    check(&p, SC_NET_QUICK, SC_F32, SC_F32);
}

static void mistakes(void **state)
{
    static const char *const bad[] = {
        "",          "fp17",       "unet=fp16", "vae=", "vae",     "=fp16", "fp16,", ",fp16",      "vae=fast",
        "vae=fp16;", "fp16,,fp16", "fp",        "FP16", "vae=f32", "fast",  " fp16", "vae=fp16=x", "vae=tf32"
    };
    sc_precision p;
    counter c;
    (void)state;
    for (int i = 0; i < SC_COUNT(bad); i++) {
        assert_int_equal(parse(&p, bad[i], ALL, &c), SC_ERR_USAGE);
        assert_int_equal(c.lines[SC_LOG_ERROR], 1);
        assert_non_null(strstr(c.last, "--precision: \""));
    }
    parse(&p, "vae=fp32,clip=fp12", ALL, &c);
    assert_non_null(strstr(c.last, "\"clip=fp12\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(presets),  cmocka_unit_test(lists),    cmocka_unit_test(fast_fp32),
        cmocka_unit_test(widening), cmocka_unit_test(mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
