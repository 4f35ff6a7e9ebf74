#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { GUARD = 256, BENCH_ROUNDS = 7 };

static uint64_t next(uint64_t *s)
{
    /* splitmix64 (Steele, Lea, Flood 2014) */
    uint64_t z = (*s += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double check_random(check *c)
{
    return (double)(next(&c->rng) >> 11) * 0x1p-53;
}

int64_t check_random_int(check *c, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(next(&c->rng) % (uint64_t)(hi - lo + 1));
}

static double normal(check *c)
{
    const double u = 1 - check_random(c), v = check_random(c);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

void check_begin(check *c, const char *op, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(c->name, sizeof(c->name), fmt, ap);
    va_end(ap);
    snprintf(c->op, sizeof(c->op), "%s", op);
    c->skip = c->only && strcmp(c->only, op) != 0;
    c->rng = c->seed + 0x100000001b3u * (uint64_t)c->cases++;
    c->side = -1;
    c->rounds = 0;
    c->best = c->total = 0;
    c->owners = c->noutputs = 0;
    c->bytes = 0;
    c->exec[1].stats.flops = 0;
}

static void failed(check *c, const char *fmt, ...) SC_PRINTF(2, 3);
static void failed(check *c, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    printf("FAILED %s %s [%s] seed %llu: %s\n", c->op, sc_dtype_name(c->dtype), c->name,
           (unsigned long long)c->seed, text);
}

/* Memory with guards, all bits set. */
static void *take(check *c, int side, size_t bytes)
{
    sc_exec *x = &c->exec[side];
    void *p = NULL, *ones = malloc(bytes + 2 * GUARD);
    if (c->owners == CHECK_MAX_TENSORS || !ones || x->dev->ops->alloc(x->dev, &p, bytes + 2 * GUARD) < 0) {
        fprintf(stderr, "no memory for a test of %s [%s]\n", c->op, c->name);
        exit(1);
    }
    memset(ones, 0xff, bytes + 2 * GUARD);
    x->dev->ops->upload(x, p, ones, bytes + 2 * GUARD);
    x->dev->ops->wait(x);
    free(ones);
    c->owned[c->owners].dev = side;
    c->owned[c->owners++].p = p;
    return (char *)p + GUARD;
}

static pair make(check *c, sc_dtype t, int ndim, const int64_t *dim)
{
    const sc_dtype plain = t >= SC_F8 ? t : SC_F32;
    pair p = { .on = { sc_tensor_make(NULL, plain, ndim, dim), sc_tensor_make(NULL, t, ndim, dim) },
               .output = -1 };
    if (c->skip)
        return p;
    for (int i = 0; i < 2; i++)
        p.on[i].data = take(c, i, sc_tensor_bytes(p.on[i]));
    c->bytes += sc_tensor_bytes(p.on[1]);
    return p;
}

/* v in the type t, by the plain device's own copy, and back. */
static pair input(check *c, sc_dtype t, const float *v, int ndim, const int64_t *dim)
{
    pair p = make(c, t, ndim, dim);
    sc_exec *x = &c->exec[0];
    sc_tensor narrow = sc_tensor_make(malloc(sc_tensor_bytes(p.on[1]) + 1), t, ndim, dim);
    if (!narrow.data)
        exit(1);
    sc_copy_into(x, narrow, sc_tensor_make((void *)v, SC_F32, ndim, dim));
    sc_copy_into(x, p.on[0], narrow);
    sc_upload(&c->exec[1], p.on[1], narrow.data);
    if (sc_exec_wait(x) < 0 || sc_exec_wait(&c->exec[1]) < 0)
        failed(c, "an input could not be made");
    free(narrow.data);
    return p;
}

/* Whether the case is left out, be it for a tensor too large for --most. */
static bool skipped(check *c, int ndim, const int64_t *dim)
{
    c->skip |= c->most && sc_tensor_bytes(sc_tensor_make(NULL, SC_F32, ndim, dim)) > c->most;
    return c->skip;
}

pair check_values(check *c, sc_dtype t, const float *v, int ndim, const int64_t *dim)
{
    return skipped(c, ndim, dim) ? make(c, t, ndim, dim) : input(c, t, v, ndim, dim);
}

static pair generate(check *c, sc_dtype t, double a, double b, bool gauss, int ndim, const int64_t *dim)
{
    if (skipped(c, ndim, dim))
        return make(c, t, ndim, dim);
    const int64_t n = sc_tensor_count(sc_tensor_make(NULL, t, ndim, dim));
    float *v = malloc((size_t)n * sizeof(float) + 1);
    if (!v)
        exit(1);
    for (int64_t i = 0; i < n; i++)
        v[i] = (float)(gauss ? a + b * normal(c) : a + (b - a) * check_random(c));
    const pair p = input(c, t, v, ndim, dim);
    free(v);
    return p;
}

pair check_normal(check *c, sc_dtype t, double mean, double sd, int ndim, const int64_t *dim)
{
    return generate(c, t, mean, sd, true, ndim, dim);
}

pair check_uniform(check *c, sc_dtype t, double lo, double hi, int ndim, const int64_t *dim)
{
    return generate(c, t, lo, hi, false, ndim, dim);
}

pair check_output(check *c, sc_dtype t, int ndim, const int64_t *dim)
{
    skipped(c, ndim, dim);
    pair p = make(c, t, ndim, dim);
    if (c->noutputs == CHECK_MAX_OUTPUTS)
        exit(1);
    p.output = c->noutputs;
    c->outputs[c->noutputs].t = p;
    c->outputs[c->noutputs++].want = NULL;
    return p;
}

void check_expect(check *c, pair y, const double *want)
{
    c->outputs[y.output].want = want;
}

sc_tensor at(const check *c, pair p)
{
    return p.on[c->side];
}

bool check_run(check *c)
{
    if (c->skip)
        return false;
    if (c->side >= 0) {
        const int ret = sc_exec_wait(c->x);
        const double seconds = sc_now() - c->start;
        if (ret < 0) {
            failed(c, "the op failed: %s", sc_strerror(ret));
            c->failed++;
            c->skip = true;
            return false;
        }
        if (c->side == 1) {
            c->best = c->rounds == 0 || seconds < c->best ? seconds : c->best;
            c->total += c->rounds ? seconds : 0; /* the first run fills caches */
            c->flops = c->exec[1].stats.flops / (c->rounds + 1);
            if (++c->rounds == (c->bench ? BENCH_ROUNDS : 1))
                return false;
        }
    }
    c->side = c->side < 0 && !c->bench ? 0 : 1;
    c->x = &c->exec[c->side];
    c->start = sc_now();
    return true;
}

static double unit_roundoff(sc_dtype t)
{
    return t == SC_F16 ? 0x1p-11 : t == SC_BF16 ? 0x1p-8 : t == SC_F8 ? 0x1p-4 : 0x1p-24;
}

static bool untouched(const void *base, sc_dtype t, int64_t i)
{
    static const unsigned char ones[4] = { 0xff, 0xff, 0xff, 0xff };
    const size_t size = sc_dtype_size(t);
    return !memcmp((const char *)base + (size_t)i * size, ones, size);
}

static double error_at(double got, double ref)
{
    if ((isnan(got) && isnan(ref)) || got == ref)
        return 0;
    const double e = fabs(got - ref);
    return isnan(e) ? INFINITY : e;
}

/* Whether got agrees with ref by the tolerance; otherwise says where not. */
static bool agrees(check *c, const char *what, const double *got, const double *ref, int64_t n, sc_dtype t,
                   const check_tol *tol)
{
    const double u = unit_roundoff(t), u32 = 0x1p-24, k = tol->k > 1 ? tol->k : 1;
    const double l = (tol->factor > 0 ? tol->factor : 1) * fmax(0.5 * u * u, 0.25 * k * u32 * u32);
    double e2 = 0, r2 = 0, worst = 0;
    int64_t used = 0, index = -1;

    for (int64_t i = 0; i < n; i++) {
        const double e = error_at(got[i], ref[i]);
        e2 += e * e;
        if (isfinite(ref[i]) && ++used)
            r2 += ref[i] * ref[i];
    }
    const double rms = sqrt(r2 / (double)(used ? used : 1)), nmse = e2 > 0 ? e2 / r2 : 0;
    for (int64_t i = 0; i < n; i++) {
        const double e = error_at(got[i], ref[i]);
        const double rel = e > 0 ? e / fmax(fabs(ref[i]), rms) : 0;
        if (rel > worst || (index < 0 && e > 0)) {
            worst = rel;
            index = i;
        }
    }
    const bool ok = tol->exact ? e2 == 0 : (n < CHECK_MANY || nmse <= l) && worst <= 6 * sqrt(l);
    if (!ok)
        failed(c, "%s: nmse %.3g (limit %.3g), worst %.3g (limit %.3g) at %lld: %.9g, not %.9g", what, nmse,
               tol->exact ? 0 : l, worst, tol->exact ? 0 : 6 * sqrt(l), (long long)index, got[index],
               ref[index]);
    return ok;
}

static double value(const void *p, sc_dtype t, int64_t i)
{
    return t == SC_U8    ? ((const uint8_t *)p)[i]
           : t == SC_U16 ? ((const uint16_t *)p)[i]
                         : (double)((const float *)p)[i];
}

/* The bytes of a tensor with its guards, and its elements as f32 or integers. */
static bool fetch(check *c, int side, sc_tensor t, char *raw, void *wide)
{
    sc_exec *x = &c->exec[side];
    const size_t bytes = sc_tensor_bytes(t);
    x->dev->ops->download(x, raw, bytes + 2 * GUARD, (char *)t.data - GUARD, bytes + 2 * GUARD, 1);
    x->dev->ops->wait(x);
    for (size_t i = 0; i < GUARD; i++)
        if ((unsigned char)raw[i] != 0xff || (unsigned char)raw[GUARD + bytes + i] != 0xff) {
            failed(c, "%s wrote outside its output", x->dev->name);
            return false;
        }
    sc_tensor from = t, to = t;
    from.data = raw + GUARD;
    to.data = wide;
    to.dtype = t.dtype == SC_U8 || t.dtype == SC_U16 ? t.dtype : SC_F32;
    sc_copy_into(&c->exec[0], to, from);
    return sc_exec_wait(&c->exec[0]) == 0;
}

static bool compare(check *c, int number, const check_tol *tol)
{
    const pair p = c->outputs[number].t;
    const double *want = c->outputs[number].want;
    const int64_t n = sc_tensor_count(p.on[0]);
    const sc_dtype t = p.on[1].dtype, plain = p.on[0].dtype;
    const check_tol strict = { .exact = true };
    char *raw[2] = { NULL, NULL };
    void *wide = malloc((size_t)n * sizeof(float) + 1);
    double *num[2] = { malloc((size_t)n * sizeof(double) + 1), malloc((size_t)n * sizeof(double) + 1) };
    bool ok = wide && num[0] && num[1];
    char what[32];

    if (plain == SC_U8 || plain == SC_U16)
        tol = &strict;
    for (int s = 0; ok && s < 2; s++) {
        raw[s] = malloc(sc_tensor_bytes(p.on[s]) + 2 * GUARD);
        ok = raw[s] && fetch(c, s, p.on[s], raw[s], wide);
        for (int64_t i = 0; ok && i < n; i++)
            num[s][i] = value(wide, plain, i);
    }
    for (int64_t i = 0; ok && plain <= SC_F8 && i < n; i++) {
        const bool a = untouched(raw[0] + GUARD, plain, i), b = untouched(raw[1] + GUARD, t, i);
        if (a != b) {
            failed(c, "output %d: element %lld was %s", number, (long long)i, a ? "written" : "not written");
            ok = false;
        }
    }
    snprintf(what, sizeof(what), "output %d against the truth", number);
    if (ok && want)
        ok = agrees(c, what, num[0], want, n, SC_F32, tol);
    snprintf(what, sizeof(what), "output %d", number);
    if (ok)
        ok = agrees(c, what, num[1], num[0], n, t, tol);
    for (int s = 0; s < 2; s++) {
        free(num[s]);
        free(raw[s]);
    }
    free(wide);
    return ok;
}

void check_end(check *c, const check_tol *tol)
{
    bool ok = true;
    if (!c->skip && !c->bench) {
        for (int i = 0; i < c->noutputs; i++)
            ok = compare(c, i, tol) && ok;
        *(ok ? &c->passed : &c->failed) += c->noutputs > 0;
    } else if (!c->skip && c->rounds > 1) {
        printf("%-10s %-5s %-44s best %9.3f ms  mean %9.3f ms  %8.2f GB/s  %8.3f TFLOP/s\n", c->op,
               sc_dtype_name(c->dtype), c->name, 1e3 * c->best, 1e3 * c->total / (c->rounds - 1),
               1e-9 * (double)c->bytes / c->best, 1e-12 * (double)c->flops / c->best);
    }
    for (int i = 0; i < c->owners; i++) {
        sc_device *dev = c->exec[c->owned[i].dev].dev;
        dev->ops->free(dev, c->owned[i].p);
    }
    c->owners = 0;
}

void check_that(check *c, bool ok, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    if (c->skip || c->bench)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (!ok)
        failed(c, "not so: %s", text);
    *(ok ? &c->passed : &c->failed) += 1;
}
