#include "bench_run.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "stages/coder.h"
#include "stages/score.h"

/* Pictures and tiles on the CPU and on a GPU. */
static const struct {
    int h, w, tile;
} sizes[2] = { { 64, 96, 64 }, { 720, 1280, 512 } };
/* Where the user names neither. A timed slice is short; what tiles take turns for is shared by more frames
 * else. */
static const struct {
    bool tiles;
    int slice;
} shapes[] = { { false, 4 }, { false, 16 }, { true, 16 } };

typedef struct passage {
    sc_coder *coder;
    sc_coder_shape shape;
    sc_coder_needs needs;
    int frames;            /* of a timed slice */
    sc_tensor *in, *out;   /* [shape.slice + 1] pictures, in the arena */
    sc_tensor latents;     /* of a timed slice */
    sc_bench_times way[2]; /* there and back */
    double psnr;           /* of the first slice, decoded */
} passage;

static void encode(sc_exec *x, void *arg)
{
    const passage *p = arg;

    sc_coder_encode(x, p->coder, p->latents, p->in);
}

static void decode(sc_exec *x, void *arg)
{
    const passage *p = arg;

    sc_coder_decode(x, p->coder, p->out, p->frames, p->latents);
}

static void make_pictures(sc_exec *x, passage *p)
{
    for (int i = 0; i <= p->shape.slice; i++) {
        p->in[i] = sc_new(x, SC_F32, SC_DIMS(p->shape.h, p->shape.w, 3));
        p->out[i] = sc_new(x, SC_F32, SC_DIMS(p->shape.h, p->shape.w, 3));
        sc_randn_into(x, p->in[i], 1, (uint64_t)i * (uint64_t)sc_tensor_count(p->in[i]));
        sc_axpby_into(x, p->in[i], 1, p->in[i], 0, SC_NONE, SC_ACT_SILU);
    }
}

/* Against what fp32 made of the first latent, which *ref takes where it is NULL. */
static int compare(sc_exec *x, passage *p, float **ref)
{
    const int64_t count = sc_tensor_count(p->out[0]);
    float *out = malloc((size_t)count * sizeof(*out));
    double sum = 0;
    int ret;

    SC_TRY(out ? 0 : -ENOMEM);
    sc_download(x, out, p->out[0]);
    SC_TRY(sc_exec_wait(x));
    for (int64_t i = 0; i < count && *ref; i++)
        sum += ((double)out[i] - (*ref)[i]) * ((double)out[i] - (*ref)[i]);
    p->psnr = sc_score_psnr(sum / (double)count);
    if (!*ref) {
        *ref = out;
        out = NULL;
    }
fail:
    free(out);
    return ret;
}

/* The first slice passes by itself: random numbers stand for what would be coded there. Then those that
 * follow it. */
static int time_passage(sc_exec *x, passage *p, float **ref)
{
    const size_t pictures = 2 * (size_t)(p->shape.slice + 1) * (size_t)p->shape.h * (size_t)p->shape.w * 12;
    const sc_mark m = sc_push(x);
    int ret;

    SC_TRY(sc_exec_reserve(x, p->needs.arena + pictures + pictures / 8));
    SC_TRY(sc_coder_begin(p->coder));
    make_pictures(x, p);
    p->frames = sc_coder_frames(p->coder, INT_MAX);
    const sc_mark first = sc_push(x);
    p->latents = sc_coder_latents(x, p->coder, p->frames);
    encode(x, p);
    sc_randn_into(x, p->latents, 2, 0);
    decode(x, p);
    SC_TRY(compare(x, p, ref));
    sc_pop(x, first);
    p->frames = sc_coder_frames(p->coder, INT_MAX);
    p->latents = sc_coder_latents(x, p->coder, p->frames);
    SC_TRY(sc_bench_time(x, encode, p, &p->way[0]));
    SC_TRY(sc_bench_time(x, decode, p, &p->way[1]));
fail:
    sc_pop(x, m);
    return ret;
}

static void report(FILE *f, cJSON *rows, const passage *p, const char *precision, size_t weights)
{
    static const char *const names[] = { "encode", "decode" };
    const double device = (double)(p->needs.arena + p->needs.device + weights) / (1 << 20);
    cJSON *row = cJSON_CreateObject();
    double ms[2];

    cJSON_AddStringToObject(row, "precision", precision);
    cJSON_AddNumberToObject(row, "width", p->shape.w);
    cJSON_AddNumberToObject(row, "height", p->shape.h);
    cJSON_AddNumberToObject(row, "tile", p->shape.tile);
    cJSON_AddNumberToObject(row, "slice", p->shape.slice);
    for (int i = 0; i < 2; i++) {
        cJSON *way = cJSON_AddObjectToObject(row, names[i]);
        ms[i] = 1e3 * sc_bench_quantile(&p->way[i], 0.5) / p->frames;
        sc_bench_row(way, &p->way[i]);
        cJSON_AddNumberToObject(way, "frame_ms", ms[i]);
    }
    cJSON_AddNumberToObject(row, "memory_mib", device);
    cJSON_AddNumberToObject(row, "host_mib", (double)p->needs.host / (1 << 20));
    cJSON_AddNumberToObject(row, "psnr_db", p->psnr);
    fprintf(f, "%-5s %5dx%-5d %6d %6d %12.2f %12.2f %9.1f %9.0f %9.0f %8.2f\n", precision, p->shape.w,
            p->shape.h, p->shape.tile, p->shape.slice, ms[0], ms[1],
            1e-12 * (double)p->way[1].stats.flops / sc_bench_quantile(&p->way[1], 0.5), device,
            (double)p->needs.host / (1 << 20), p->psnr);
    fflush(f);
    cJSON_AddItemToArray(rows, row);
}

static int bench_shape(FILE *f, cJSON *rows, sc_exec *x, sc_coder *k, const sc_coder_shape *shape,
                       const char *precision, size_t weights, float **ref)
{
    const size_t room = (size_t)shape->slice + 1;
    passage p = { .coder = k, .shape = *shape };
    int ret;

    p.in = calloc(room, sizeof(*p.in));
    p.out = calloc(room, sizeof(*p.out));
    SC_TRY(p.in && p.out ? 0 : -ENOMEM);
    SC_TRY(sc_coder_fit(k, &p.shape, &p.needs));
    SC_TRY(time_passage(x, &p, ref));
    report(f, rows, &p, precision, weights);
fail:
    free(p.in);
    free(p.out);
    return ret;
}

int sc_bench_vae(FILE *f, cJSON *rows, const sc_settings *s, const char *precision, float **ref)
{
    const bool named = s->vae_tile || s->vae_slice;
    sc_needs needs = { .arena = 0 };
    sc_coder *k = NULL;
    sc_device *dev = NULL;
    sc_exec x = { 0 };
    sc_context c = { .set = s, .log = &s->log, .x = &x, .needs = &needs };
    int ret;

    SC_TRY(sc_bench_open(&x, &dev, &c.precision, s, precision));
    if (!ret) {
        c.precision.net[SC_NET_VAE] = c.precision.net[0]; /* "fp8" as such spares the VAE */
        c.precision.net[SC_NET_VAE_ENCODER] = c.precision.net[0];
        SC_TRY(sc_coder_open(&k, &c));
        for (int i = 0; i < (named ? 1 : SC_COUNT(shapes)); i++) {
            const sc_coder_shape shape = {
                .h = sizes[dev->large].h,
                .w = sizes[dev->large].w,
                .tile = named             ? s->vae_tile
                        : shapes[i].tiles ? sizes[dev->large].tile
                                          : 0,
                .slice = s->vae_slice ? s->vae_slice : shapes[i].slice,
            };
            SC_TRY(bench_shape(f, rows, &x, k, &shape, precision, needs.net[SC_NET_VAE].rest, ref));
        }
    }
fail:
    sc_coder_close(&k);
    sc_bench_close(&x, &dev);
    return ret;
}
