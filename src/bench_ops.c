#include "bench_run.h"

typedef enum kind {
    ATTENTION,
    TEMPORAL,
    CONV,
    LINEAR,
    GROUP_NORM,
    LAYER_NORM,
    RESIZE,
    SPLAT,
    FILL,
    LAB,
    MIX
} kind;

/* dim: attention frames, tokens, heads (64 wide); convolution frames, h, w, in, out; linear rows, in, out;
 * norms frames, places, channels; pictures h, w. */
typedef struct op_case {
    const char *name;
    kind kind;
    int64_t dim[5];
    bool upsample, add;
    sc_act act;
} op_case;

/* Rows of tests/bench are called so; the shapes are the UNet's with 25 frames of 1024x576 and the VAE's
 * with 8. */
static const op_case cases[] = {
    { .name = "attn_9216", .kind = ATTENTION, .dim = { 25, 9216, 5 } },
    { .name = "attn_2304", .kind = ATTENTION, .dim = { 25, 2304, 10 } },
    { .name = "attn_576", .kind = ATTENTION, .dim = { 25, 576, 20 } },
    { .name = "attn_temporal_25_9216", .kind = TEMPORAL, .dim = { 25, 9216, 5 } },
    { .name = "attn_temporal_25_2304", .kind = TEMPORAL, .dim = { 25, 2304, 10 } },
    { .name = "attn_temporal_25_576", .kind = TEMPORAL, .dim = { 25, 576, 20 } },
    { .name = "conv3x3_320", .kind = CONV, .dim = { 25, 72, 128, 320, 320 }, .add = true },
    { .name = "conv3x3_640", .kind = CONV, .dim = { 25, 36, 64, 640, 640 }, .add = true },
    { .name = "conv3x3_1280", .kind = CONV, .dim = { 25, 18, 32, 1280, 1280 }, .add = true },
    { .name = "conv3x3_vae_512", .kind = CONV, .dim = { 8, 144, 256, 512, 512 }, .add = true },
    { .name = "conv3x3_vae_256", .kind = CONV, .dim = { 8, 288, 512, 256, 256 }, .add = true },
    { .name = "conv3x3_vae_128", .kind = CONV, .dim = { 8, 576, 1024, 128, 128 }, .add = true },
    { .name = "upsample_conv_640", .kind = CONV, .dim = { 25, 36, 64, 640, 640 }, .upsample = true },
    { .name = "upsample_conv_1280", .kind = CONV, .dim = { 25, 18, 32, 1280, 1280 }, .upsample = true },
    { .name = "ff1_geglu_320", .kind = LINEAR, .dim = { 230400, 320, 2560 }, .act = SC_ACT_GEGLU },
    { .name = "ff1_geglu_640", .kind = LINEAR, .dim = { 57600, 640, 5120 }, .act = SC_ACT_GEGLU },
    { .name = "ff1_geglu_1280", .kind = LINEAR, .dim = { 14400, 1280, 10240 }, .act = SC_ACT_GEGLU },
    { .name = "ff2_320", .kind = LINEAR, .dim = { 230400, 1280, 320 }, .add = true },
    { .name = "group_norm_320", .kind = GROUP_NORM, .dim = { 25, 9216, 320 } },
    { .name = "layer_norm_320", .kind = LAYER_NORM, .dim = { 25, 9216, 320 } },
    { .name = "depth_enlarge_1080p", .kind = RESIZE, .dim = { 1080, 1920 } },
    { .name = "splat_1080p", .kind = SPLAT, .dim = { 1080, 1920 } },
    { .name = "fill_1080p", .kind = FILL, .dim = { 1080, 1920 } },
    { .name = "lab_1080p", .kind = LAB, .dim = { 1080, 1920 } },
    { .name = "composite_1080p", .kind = MIX, .dim = { 1080, 1920 } },
};

typedef struct op {
    op_case c;
    bool narrow; /* weights and input are E4M3 */
    sc_tensor in, out, more, hole, disp, disp_out, mask, work;
    sc_param p;
    sc_norm norm;
} op;

static sc_tensor random_of(sc_exec *x, sc_dtype t, int ndim, const int64_t *dim)
{
    const sc_tensor out = sc_new(x, t, ndim, dim);
    const sc_mark m = sc_push(x);
    const sc_tensor exact = sc_new(x, SC_F32, ndim, dim);

    sc_randn_into(x, exact, 1, 0);
    sc_copy_into(x, out, exact);
    sc_pop(x, m);
    return out;
}

/* The layer's weights and input as E4M3. */
static void make_narrow(sc_exec *x, op *o)
{
    const sc_tensor w = o->p.w, in = o->in;
    const int64_t factors = w.ndim == 2 ? in.dim[0] : 1;

    o->p.w = sc_new(x, SC_F8, w.ndim, w.dim);
    o->p.scale = sc_new(x, SC_F32, 1, w.dim);
    sc_quantise_into(x, o->p.w, o->p.scale, w);
    o->in = sc_new_input(x, &o->p, in);
    sc_quantise_into(x, o->in, sc_tensor_make(o->in.scale, SC_F32, 1, &factors), in);
}

static void make_net_op(sc_exec *x, op *o)
{
    const int64_t *d = o->c.dim, up = o->c.upsample ? 2 : 1;
    const bool gated = o->c.act == SC_ACT_GEGLU;

    switch (o->c.kind) {
    case ATTENTION:
    case TEMPORAL: /* queries, keys and values side by side, as one layer makes them */
        o->in = random_of(x, x->act, SC_DIMS(d[0], d[1], 3, d[2], 64));
        o->out = sc_new(x, x->act, SC_DIMS(d[0], d[1], d[2], 64));
        break;
    case CONV:
        o->in = random_of(x, x->act, SC_DIMS(d[0], d[1], d[2], d[3]));
        o->p = (sc_param){ .w = random_of(x, x->act, SC_DIMS(d[4], 3, 3, d[3])),
                           .b = random_of(x, SC_F32, SC_DIMS(d[4])) };
        o->out = sc_new(x, x->act, SC_DIMS(d[0], up * d[1], up * d[2], d[4]));
        break;
    case LINEAR:
        o->in = random_of(x, x->act, SC_DIMS(d[0], d[1]));
        o->p = (sc_param){ .w = random_of(x, x->act, SC_DIMS(d[2], d[1])),
                           .b = random_of(x, SC_F32, SC_DIMS(d[2])) };
        o->out = sc_new(x, x->act, SC_DIMS(d[0], gated ? d[2] / 2 : d[2]));
        break;
    default:
        o->in = random_of(x, x->act, SC_DIMS(d[0], d[1], d[2]));
        o->norm = (sc_norm){ random_of(x, SC_F32, SC_DIMS(d[2])), random_of(x, SC_F32, SC_DIMS(d[2])) };
        o->out = sc_new(x, x->act, SC_DIMS(d[0], d[1], d[2]));
        break;
    }
    if (o->narrow)
        make_narrow(x, o);
    o->more = o->c.add ? random_of(x, x->act, o->out.ndim, o->out.dim) : SC_NONE;
}

/* A tilted plane with noise, up to 48 pixels of disparity. */
static void make_picture_op(sc_exec *x, op *o)
{
    const int64_t h = o->c.dim[0], w = o->c.dim[1];
    static const float tilt[] = { 0, 16, 24, 48 };

    o->in = random_of(x, SC_F32, SC_DIMS(h, w, 3));
    o->out = sc_new(x, SC_F32, SC_DIMS(h, w, 3));
    o->more = random_of(x, SC_F32, SC_DIMS(h, w, 3));
    o->disp = random_of(x, SC_F32, SC_DIMS(h, w, 1));
    o->disp_out = sc_new(x, SC_F32, SC_DIMS(h, w, 1));
    o->hole = sc_new(x, SC_F32, SC_DIMS(h, w, 1));
    o->mask = sc_new(x, SC_F32, SC_DIMS(h, w, 1));
    o->work = sc_new(x, SC_F32, SC_DIMS(h, w, 7));
    const sc_mark m = sc_push(x);
    const sc_tensor corners = sc_new(x, SC_F32, SC_DIMS(1, 2, 2, 1)),
                    plane = sc_new(x, SC_F32, SC_DIMS(1, h, w, 1));
    sc_upload(x, corners, tilt);
    sc_resize_into(x,
                   &(sc_resize_args){ .y = plane, .x = corners, .mode = SC_BILINEAR, .align_corners = true });
    sc_axpby_into(x, o->disp, 0.2f, o->disp, 1, sc_reshape(plane, SC_DIMS(h, w, 1)), SC_ACT_NONE);
    sc_splat_into(x, &(sc_splat_args){
                         .right = o->out, .hole = o->hole, .left = o->in, .disp = o->disp, .stretch = 2 });
    sc_pop(x, m);
}

static void make(sc_exec *x, op *o)
{
    if (o->c.kind < RESIZE)
        make_net_op(x, o);
    else
        make_picture_op(x, o);
}

static sc_tensor as_batch(sc_tensor t)
{
    return sc_reshape(t, SC_DIMS(1, t.dim[0], t.dim[1], t.dim[2]));
}

static void attend(sc_exec *x, const op *o)
{
    sc_tensor part[3], out = o->out;

    for (int i = 0; i < 3; i++)
        part[i] = sc_reshape(sc_slice(o->in, 2, i, 1), 4, out.dim);
    for (int i = 0; i < 3 && o->c.kind == TEMPORAL; i++)
        part[i] = sc_permute(part[i], (const int[]){ 1, 0, 2, 3 });
    if (o->c.kind == TEMPORAL)
        out = sc_permute(out, (const int[]){ 1, 0, 2, 3 });
    sc_attention_into(x, out, part[0], part[1], part[2], 0.125f);
}

static void run(sc_exec *x, void *arg)
{
    const op *o = arg;
    const sc_tensor *add = o->c.add ? &o->more : NULL;

    switch (o->c.kind) {
    case ATTENTION:
    case TEMPORAL:
        attend(x, o);
        break;
    case CONV:
        sc_conv2d_into(x, o->out, o->in, &o->p, &(sc_conv2d_opt){ .add = add, .upsample = o->c.upsample });
        break;
    case LINEAR:
        sc_linear_into(x, o->out, o->in, &o->p, &(sc_linear_opt){ .add = add, .act = o->c.act });
        break;
    case GROUP_NORM:
        sc_group_norm_into(x, o->out, o->in, &o->norm, 32, 1e-5f, true);
        break;
    case LAYER_NORM:
        sc_layer_norm_into(x, o->out, o->in, &o->norm, 1e-5f);
        break;
    case RESIZE:
        sc_resize_into(x, &(sc_resize_args){ .y = as_batch(o->disp_out),
                                             .x = sc_slice(sc_slice(as_batch(o->disp), 1, 0, o->c.dim[0] / 4),
                                                           2, 0, o->c.dim[1] / 4),
                                             .mode = SC_BILINEAR });
        break;
    case SPLAT:
        sc_splat_into(x,
                      &(sc_splat_args){
                          .right = o->out, .hole = o->hole, .left = o->in, .disp = o->disp, .stretch = 2 });
        break;
    case FILL:
        sc_fill_into(x, &(sc_fill_args){ .y = o->more,
                                         .y_disp = o->disp_out,
                                         .mask = o->mask,
                                         .x = o->in,
                                         .disp = o->disp,
                                         .hole = o->hole,
                                         .work = o->work });
        break;
    case LAB:
        sc_colour_into(x, &(sc_colour_args){
                              .y = o->out, .a = o->in, .m1 = { 1, 0, 0, 0, 1, 0, 0, 0, 1 }, .to = SC_LAB });
        break;
    case MIX:
        sc_mix_into(x, &(sc_mix_args){ .y = o->out, .m = o->hole, .a = o->in, .b = o->more });
        break;
    }
}

static void measure(sc_exec *x, void *arg)
{
    op o = *(const op *)arg;

    make(x, &o);
    run(x, &o);
}

/* A tenth of what is there and less: seconds on a CPU. */
static void shrink(op_case *c)
{
    for (int i = 0; i < (c->kind == LINEAR ? 1 : 2); i++)
        c->dim[i] = SC_MAX(c->dim[i] / (c->kind == LINEAR ? 64 : 8), 1);
    if (c->kind == CONV)
        c->dim[2] = SC_MAX(c->dim[2] / 8, 1);
}

static int bench_op(FILE *f, cJSON *rows, sc_exec *x, const op_case *c, const char *precision, bool narrow)
{
    op o = { .c = *c, .narrow = narrow };
    sc_bench_times t;
    char shape[64];
    size_t n = 0;
    int ret;

    if (!x->dev->large)
        shrink(&o.c);
    for (int i = 0; i < SC_COUNT(o.c.dim) && o.c.dim[i]; i++)
        n += (size_t)snprintf(shape + n, sizeof(shape) - n, "%s%lld", i ? "x" : "", (long long)o.c.dim[i]);
    SC_TRY(sc_exec_reserve(x, sc_measure(x, measure, &o, NULL)));
    make(x, &o);
    SC_TRY(sc_bench_time(x, run, &o, &t));
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "op", c->name);
    cJSON_AddStringToObject(row, "shape", shape);
    cJSON_AddStringToObject(row, "precision", precision);
    sc_bench_row(row, &t);
    cJSON_AddItemToArray(rows, row);
    fprintf(f, "%-22s %-18s %-5s %10.3f %10.3f %10.3f", c->name, shape, precision,
            1e3 * sc_bench_quantile(&t, 0.5), 1e3 * sc_bench_quantile(&t, 0.1),
            1e3 * sc_bench_quantile(&t, 0.9));
    if (t.stats.flops)
        fprintf(f, " %9.2f", 1e-12 * (double)t.stats.flops / sc_bench_quantile(&t, 0.5));
    fputc('\n', f);
    fflush(f);
fail:
    sc_pop(x, (sc_mark){ 0 });
    return ret;
}

int sc_bench_ops(FILE *f, cJSON *rows, sc_exec *x, const char *precision, sc_dtype weight, bool pictures)
{
    const bool narrow = weight == SC_F8;
    int ret = 0;

    for (int i = 0; i < SC_COUNT(cases) && ret >= 0; i++) {
        const bool picture = cases[i].kind >= RESIZE,
                   layer = cases[i].kind == CONV || cases[i].kind == LINEAR;

        if (picture ? pictures : weight == x->act || (narrow && layer && !cases[i].upsample))
            ret = bench_op(f, rows, x, &cases[i], picture ? "fp32" : precision, narrow && layer);
    }
    return ret;
}
