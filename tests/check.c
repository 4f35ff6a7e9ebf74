/* MAP_ANONYMOUS and MAP_NORESERVE */
#define _DEFAULT_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

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
    c->skip = (c->only && strcmp(c->only, op) != 0) || (c->shares && c->cases % c->shares != c->share);
    c->rng = c->seed + 0x100000001b3u * (uint64_t)c->cases++;
    c->side = -1;
    c->counted = false;
    c->far = CHECK_NEAR;
    c->more = 0;
    c->rounds = 0;
    c->best = c->total = 0;
    c->owners = c->noutputs = 0;
    c->bytes = 0;
    c->exec[1].stats.flops = 0;
}

/* The op's line of the table. */
static int tally_of(check *c)
{
    int i = 0;
    while (i < c->ops && strcmp(c->tally[i].op, c->op) != 0)
        i++;
    if (i == CHECK_MAX_OPS)
        abort();
    c->ops = SC_MAX(c->ops, i + 1);
    memcpy(c->tally[i].op, c->op, sizeof(c->op));
    return i;
}

static void count(check *c)
{
    const int i = tally_of(c);
    if (c->counted)
        return;
    c->counted = true;
    const check_column column = c->dtype == SC_F16    ? CHECK_FP16
                                : c->dtype == SC_BF16 ? CHECK_BF16
                                : c->dtype == SC_F8   ? CHECK_FP8
                                : c->tf32             ? CHECK_TF32
                                                      : CHECK_FP32;
    c->tally[i].cases[column]++;
    c->tally[i].far += c->far != CHECK_NEAR;
}

static void leave_out(check *c)
{
    c->tally[tally_of(c)].left_out++;
    c->skip = true;
}

void check_table(const check *c)
{
    int all[CHECK_COLUMNS] = { 0 }, far = 0, left_out = 0;

    printf("%-12s %7s %7s %7s %7s %7s %9s %9s\n", "cases", "fp32", "tf32", "fp16", "bf16", "fp8", "past 2^31",
           "left out");
    for (int i = 0; i < c->ops; i++) {
        printf("%-12s", c->tally[i].op);
        for (int k = 0; k < CHECK_COLUMNS; k++) {
            printf(" %7d", c->tally[i].cases[k]);
            all[k] += c->tally[i].cases[k];
        }
        printf(" %9d %9d\n", c->tally[i].far, c->tally[i].left_out);
        far += c->tally[i].far;
        left_out += c->tally[i].left_out;
    }
    printf("%-12s", "all");
    for (int k = 0; k < CHECK_COLUMNS; k++)
        printf(" %7d", all[k]);
    printf(" %9d %9d\n", far, left_out);
}

const char *check_far_name(check_far far)
{
    return far == CHECK_LONG ? ", long" : far == CHECK_STRIDED ? ", far rows" : "";
}

void check_spread(check *c, check_far far)
{
    if (c->skip || far == CHECK_NEAR)
        return;
    c->far = far;
    c->skip = c->most || c->bench; /* tools under which all is slow; and there is nothing to time */
    if (!c->skip && far == CHECK_LONG && !strcmp(c->exec[1].dev->name, "cpu"))
        leave_out(c);
}

/* Numbers that tf32 has: the nearest with 10 bits of mantissa. */
static void to_tf32(float *v, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &v[i], sizeof(u));
        u = (u + 0xfff + (u >> 13 & 1)) & ~(uint32_t)0x1fff;
        memcpy(&v[i], &u, sizeof(u));
    }
}

static void failed(check *c, const char *fmt, ...) SC_PRINTF(2, 3);
static void failed(check *c, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    printf("FAILED %s %s [%s] seed %llu: %s\n", c->op, c->tf32 ? "tf32" : sc_dtype_name(c->dtype), c->name,
           (unsigned long long)c->seed, text);
}

/* bytes of a device's memory, NULL if there are none. What a CPU does not touch of far tensors costs nothing.
 */
static void *take(check *c, int side, size_t bytes)
{
    sc_device *dev = c->exec[side].dev;
    const bool sparse = c->far && !strcmp(dev->name, "cpu");
    void *p = NULL;

    if (c->owners == CHECK_MAX_TENSORS)
        abort();
    if (sparse) {
        p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        p = p == MAP_FAILED ? NULL : p;
    } else if (dev->ops->alloc(dev, &p, bytes) < 0) {
        p = NULL;
    }
    if (!p)
        return NULL;
    c->owned[c->owners].dev = side;
    c->owned[c->owners].p = p;
    c->owned[c->owners++].mapped = sparse ? bytes : 0;
    return p;
}

static void release(check *c)
{
    for (int i = 0; i < c->owners; i++) {
        sc_device *dev = c->exec[c->owned[i].dev].dev;
        if (c->owned[i].mapped)
            munmap(c->owned[i].p, c->owned[i].mapped);
        else
            dev->ops->free(dev, c->owned[i].p);
    }
    c->owners = 0;
}

/* The rows of a tensor that both sides have, and the packed blocks that they lie in. */
static sc_tensor shared_rows(pair p, int side)
{
    const int64_t n = p.on[0].dim[0];
    return sc_slice(p.on[side], 0, p.on[side].dim[0] - n, n);
}

static int64_t block_count(sc_tensor t)
{
    return sc_tensor_packed(t) ? 1 : t.dim[0];
}

static sc_tensor block(sc_tensor t, int64_t i)
{
    return block_count(t) == 1 ? t : sc_slice(t, 0, i, 1);
}

/* All bits set, in each block and in its guards. */
static void clear(check *c, int side, pair p)
{
    sc_exec *x = &c->exec[side];
    const sc_tensor t = shared_rows(p, side);
    const size_t bytes = sc_tensor_bytes(block(t, 0)) + 2 * GUARD;
    void *ones = malloc(bytes);

    if (!ones)
        abort();
    memset(ones, 0xff, bytes);
    for (int64_t i = 0; i < block_count(t); i++) {
        x->dev->ops->upload(x, (char *)block(t, i).data - GUARD, ones, bytes);
        x->dev->ops->wait(x);
    }
    free(ones);
}

static void spread(check *c, sc_tensor *t)
{
    if (c->far == CHECK_STRIDED)
        t->stride[0] = CHECK_STEP;
    if (c->far != CHECK_LONG)
        return;
    /* A multiple of the rows that matter: whoever wants may repeat those. */
    if (!c->more)
        c->more = ((((int64_t)1 << 31) / sc_tensor_count(*t)) + 1) * t->dim[0];
    t->dim[0] += c->more;
}

static pair make(check *c, sc_dtype t, int ndim, const int64_t *dim)
{
    const sc_dtype plain = t >= SC_F8 ? t : SC_F32;
    pair p = { .on = { sc_tensor_make(NULL, plain, ndim, dim), sc_tensor_make(NULL, t, ndim, dim) },
               .output = -1 };
    if (c->skip)
        return p;
    spread(c, &p.on[1]);
    for (int i = 0; i < 2; i++) {
        const sc_tensor row = sc_slice(p.on[i], 0, 0, 1);
        const size_t size = sc_dtype_size(row.dtype), rows_before = (size_t)(p.on[i].dim[0] - 1);
        const size_t bytes = rows_before * (size_t)row.stride[0] * size + sc_tensor_bytes(row) + 2 * GUARD;
        char *const data = take(c, i, bytes);
        if (!data) {
            printf("left out: %s %s [%s]: no %.1f GB of memory\n", c->op, sc_dtype_name(c->dtype), c->name,
                   1e-9 * (double)bytes);
            leave_out(c);
            return p;
        }
        p.on[i].data = data + GUARD;
        clear(c, i, p);
    }
    c->bytes += sc_tensor_bytes(p.on[1]);
    return p;
}

/* v in the type t, by the plain device's own copy, and back. */
static pair input(check *c, sc_dtype t, const float *v, int ndim, const int64_t *dim)
{
    pair p = make(c, t, ndim, dim);
    if (c->skip)
        return p;
    sc_exec *x = &c->exec[0];
    const sc_tensor to = shared_rows(p, 1);
    sc_tensor narrow = sc_tensor_make(malloc(sc_tensor_bytes(to) + 1), t, ndim, dim);
    if (!narrow.data)
        exit(1);
    sc_copy_into(x, narrow, sc_tensor_make((void *)v, SC_F32, ndim, dim));
    if (c->tf32 && t == SC_F32)
        to_tf32(narrow.data, sc_tensor_count(narrow));
    sc_copy_into(x, p.on[0], narrow);
    for (int64_t i = 0; i < block_count(to); i++)
        sc_upload(&c->exec[1], block(to, i),
                  (const char *)narrow.data + (size_t)i * sc_tensor_bytes(block(to, 0)));
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
    const double u = tol->products && c->tf32 ? 0x1p-11 : unit_roundoff(t), u32 = 0x1p-24;
    const double k = fmax(tol->k, 1), factor = tol->factor > 0 ? tol->factor : 1;
    const double l = factor * fmax(0.5 * u * u, 0.25 * k * u32 * u32);
    const double tail = fmax(6, fmin(sqrt(8) / 3.141592653589793 * log(1000 * (double)n), 2 * sqrt(k)));
    const double most = sqrt(factor) * fmax(6 * sqrt(0.5) * u, tail * sqrt(0.25 * k) * u32);
    double e2 = 0, r2 = 0, worst = 0;
    int64_t used = 0, index = -1;

    for (int64_t i = 0; i < n; i++) {
        const double e = error_at(got[i], ref[i]);
        e2 += e * e;
        if (isfinite(ref[i]) && ++used)
            r2 += ref[i] * ref[i];
    }
    const double rms = fmax(sqrt(r2 / (double)(used ? used : 1)), tol->rms), nmse = e2 > 0 ? e2 / r2 : 0;
    for (int64_t i = 0; i < n; i++) {
        const double e = error_at(got[i], ref[i]);
        const double rel = e > 0 ? e / fmax(fabs(ref[i]), rms) : 0;
        if (rel > worst || (index < 0 && e > 0)) {
            worst = rel;
            index = i;
        }
    }
    const bool ok = tol->exact ? e2 == 0 : (n < CHECK_MANY || nmse <= l) && worst <= most;
    if (!ok)
        failed(c, "%s: nmse %.3g (limit %.3g), worst %.3g (limit %.3g) at %lld: %.9g, not %.9g", what, nmse,
               tol->exact ? 0 : l, worst, tol->exact ? 0 : most, (long long)index, got[index], ref[index]);
    return ok;
}

static double value(const void *p, sc_dtype t, int64_t i)
{
    return t == SC_U8    ? ((const uint8_t *)p)[i]
           : t == SC_U16 ? ((const uint16_t *)p)[i]
                         : (double)((const float *)p)[i];
}

/* The bytes of a tensor, and its elements as f32 or integers; false where a guard was written to. The rows
 * before those that matter are outputs too. */
static bool fetch(check *c, int side, pair p, char *raw, void *wide)
{
    sc_exec *x = &c->exec[side];
    const sc_tensor t = shared_rows(p, side);
    const bool front = t.data == p.on[side].data;
    const size_t bytes = sc_tensor_bytes(block(t, 0));
    unsigned char *room = malloc(bytes + 2 * GUARD);
    bool ok = room;

    for (int64_t k = 0; ok && k < block_count(t); k++) {
        x->dev->ops->download(x, room, bytes + 2 * GUARD, (char *)block(t, k).data - GUARD, bytes + 2 * GUARD,
                              1);
        x->dev->ops->wait(x);
        for (size_t i = 0; i < GUARD; i++)
            ok = ok && (!front || room[i] == 0xff) && room[GUARD + bytes + i] == 0xff;
        memcpy(raw + (size_t)k * bytes, room + GUARD, bytes);
    }
    free(room);
    if (!ok) {
        failed(c, "%s wrote outside its output", x->dev->name);
        return false;
    }
    const sc_dtype as = t.dtype == SC_U8 || t.dtype == SC_U16 ? t.dtype : SC_F32;
    sc_copy_into(&c->exec[0], sc_tensor_make(wide, as, t.ndim, t.dim),
                 sc_tensor_make(raw, t.dtype, t.ndim, t.dim));
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
    char what[48];

    if (plain == SC_U8 || plain == SC_U16)
        tol = &strict;
    for (int s = 0; ok && s < 2; s++) {
        raw[s] = malloc(sc_tensor_bytes(shared_rows(p, s)) + 1);
        ok = raw[s] && fetch(c, s, p, raw[s], wide);
        for (int64_t i = 0; ok && i < n; i++)
            num[s][i] = value(wide, plain, i);
    }
    for (int64_t i = 0; ok && plain <= SC_F8 && i < n; i++) {
        const bool a = untouched(raw[0], plain, i), b = untouched(raw[1], t, i);
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
        count(c);
    } else if (!c->skip && c->rounds > 1) {
        printf("%-10s %-5s %-44s best %9.3f ms  mean %9.3f ms  %8.2f GB/s  %8.3f TFLOP/s\n", c->op,
               sc_dtype_name(c->dtype), c->name, 1e3 * c->best, 1e3 * c->total / (c->rounds - 1),
               1e-9 * (double)c->bytes / c->best, 1e-12 * (double)c->flops / c->best);
    }
    release(c);
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
    count(c);
    if (!ok)
        failed(c, "not so: %s", text);
    *(ok ? &c->passed : &c->failed) += 1;
}
