#include "budget.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* In this order they are given up. */
enum knob { WEIGHTS, DECODE, TILE, DEPTH_WINDOW, INPAINT_WINDOW, VAE, KNOBS };

/* The UNets compute for longer than their weights take to come: nearly nothing is lost. The image encoder,
 * run once a frame, is the only one that waits for most of its weights. */
static const sc_net streamed[] = { SC_NET_INPAINT_UNET, SC_NET_DEPTH_UNET, SC_NET_VAE, SC_NET_CLIP };

/* Of --reconstruct. Smaller tiles change the result, shorter slices cost time. */
static const struct {
    int tile, slice; /* 0: as asked for */
} passages[] = { { 0, 0 }, { 1536, 0 }, { 1024, 0 }, { 768, 0 }, { 512, 0 }, { 384, 8 }, { 256, 4 } };

/* Steps of each knob; WEIGHTS, DECODE and VAE apart they take a quarter off at each, down to the least that
 * is of use. */
static const int steps[KNOBS] = {
    [WEIGHTS] = SC_COUNT(streamed), [DECODE] = 3, [TILE] = 5, [DEPTH_WINDOW] = 9, [INPAINT_WINDOW] = 4,
    [VAE] = SC_COUNT(passages) - 1
};
enum { LEAST_TILE = 256, LEAST_WINDOW = 8, TILE_STEP = 64 };

/* Rings for four of the largest layers: one in use, the rest ahead. Timed on an H200 with the 25-frame UNet
 * in fp16, two cost 6 % over resident weights, four 5 %, eight 3 %. */
enum { RING_LAYERS = 4 };

sc_plan sc_plan_of(const sc_settings *set)
{
    return (sc_plan){
        .depth_window = set->depth_window,
        .depth_overlap = set->depth_overlap,
        .inpaint_window = set->inpaint_window,
        .inpaint_overlap = set->inpaint_overlap,
        .tile = set->inpaint_tile,
        .depth_decode = 8,   /* as DepthCrafter has it */
        .inpaint_decode = 2, /* as StereoCrafter has it */
        .vae_tile = set->vae_tile,
        .vae_slice = set->vae_slice,
    };
}

static int shrink(int n, int level, int least)
{
    return n <= least ? n : SC_MAX((int)lrint(n * pow(0.75, level)), least);
}

/* Two windows share less where they are shorter. */
static int shrink_overlap(int overlap, int window, int of)
{
    return window < of ? SC_MIN(overlap, SC_MAX(overlap * window / of, SC_MIN(overlap, 1))) : overlap;
}

/* The smaller of two, 0 being the largest. */
static int least(int a, int b)
{
    return a && b ? SC_MIN(a, b) : a + b;
}

static sc_plan plan_at(const sc_plan *best, const int level[KNOBS])
{
    sc_plan p = *best;

    for (int i = 0; i < level[WEIGHTS]; i++)
        p.stream[streamed[i]] = true;
    p.depth_decode = SC_MAX(best->depth_decode >> level[DECODE], 1);
    p.inpaint_decode = SC_MIN(best->inpaint_decode, p.depth_decode);
    p.tile = shrink(best->tile, level[TILE], LEAST_TILE);
    p.tile = p.tile < best->tile ? (p.tile + TILE_STEP / 2) / TILE_STEP * TILE_STEP : best->tile;
    p.depth_window = shrink(best->depth_window, level[DEPTH_WINDOW], LEAST_WINDOW);
    p.depth_overlap = shrink_overlap(best->depth_overlap, p.depth_window, best->depth_window);
    p.inpaint_window = shrink(best->inpaint_window, level[INPAINT_WINDOW], LEAST_WINDOW);
    p.inpaint_overlap = shrink_overlap(best->inpaint_overlap, p.inpaint_window, best->inpaint_window);
    p.vae_tile = least(best->vae_tile, passages[level[VAE]].tile);
    p.vae_slice = least(best->vae_slice, passages[level[VAE]].slice);
    return p;
}

size_t sc_plan_bytes(sc_plan *plan, const sc_needs *needs)
{
    size_t sum = needs->arena + needs->images;

    plan->ring = 0;
    for (int i = 0; i < SC_NET_COUNT; i++) {
        const sc_load_size *n = &needs->net[i];

        sum += n->rest + (plan->stream[i] ? 0 : n->layers);
        if (plan->stream[i])
            plan->ring = SC_MAX(plan->ring, RING_LAYERS * n->largest);
    }
    return sum + plan->ring;
}

int64_t sc_plan_choose(sc_plan *plan, size_t budget, sc_plan_measure measure, void *opaque)
{
    const sc_plan best = *plan;
    int level[KNOBS] = { 0 };
    int64_t bytes = measure(opaque, plan);

    for (int k = 0; k < KNOBS; k++)
        while (bytes > 0 && (uint64_t)bytes > budget && level[k] < steps[k]) {
            level[k]++;
            *plan = plan_at(&best, level);
            bytes = measure(opaque, plan);
        }
    if (bytes < 0 || (uint64_t)bytes > budget)
        return bytes;
    for (int k = KNOBS; k-- > 0;)
        while (level[k] > 0) {
            level[k]--;
            sc_plan more = plan_at(&best, level);
            const int64_t wants = measure(opaque, &more);

            if (wants < 0)
                return wants;
            if ((uint64_t)wants > budget) {
                level[k]++;
                break;
            }
            *plan = more;
            bytes = wants;
        }
    return bytes;
}

static void add(char *out, size_t size, const char *fmt, ...) SC_PRINTF(3, 4);
static void add(char *out, size_t size, const char *fmt, ...)
{
    const size_t n = strlen(out), comma = n ? 2 : 0;
    va_list ap;

    if (n)
        snprintf(out + n, size - n, ", ");
    if (n + comma >= size)
        return;
    va_start(ap, fmt);
    vsnprintf(out + n + comma, size - n - comma, fmt, ap);
    va_end(ap);
}

void sc_plan_describe(char *out, size_t size, const sc_plan *p, const sc_plan *best)
{
    *out = 0;
    for (int i = 0; i < SC_NET_COUNT; i++)
        if (p->stream[i])
            add(out, size, "%s streamed", sc_net_name((sc_net)i));
    if (p->depth_decode < best->depth_decode || p->inpaint_decode < best->inpaint_decode)
        add(out, size, "%d and %d frames decoded at a time", p->depth_decode, p->inpaint_decode);
    if (p->tile < best->tile)
        add(out, size, "tiles of %d", p->tile);
    if (p->depth_window < best->depth_window)
        add(out, size, "depth windows of %d frames", p->depth_window);
    if (p->inpaint_window < best->inpaint_window)
        add(out, size, "inpainting windows of %d", p->inpaint_window);
    if (p->vae_tile != best->vae_tile)
        add(out, size, "pictures in tiles of up to %d", p->vae_tile);
}
