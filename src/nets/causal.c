#include "causal.h"

#define EPS   1e-6f
#define TAPS  3
#define ALIGN 256 /* as sc_new() */

/* In frames. */
static int step(const sc_causal *w)
{
    return w->taps > 1 && w->down ? 2 : 1;
}

/* Frames that a convolution keeps for the next slice: all but those that its last step went past. */
static int kept(const sc_causal *w)
{
    return w->taps - step(w);
}

/* Frames before those of the slice. A step of two frames reaches back but one frame between slices, as the
 * copies before the first frame moved it by one. */
static int before(const sc_causal *w, const sc_past *past)
{
    return past->conv[w->slot].begun ? kept(w) : w->taps - 1;
}

/* A tensor with memory at *at, which moves past it; NULL stays. */
static sc_tensor carve(char *memory, size_t *used, sc_dtype t, int ndim, const int64_t *dim)
{
    const sc_tensor y = sc_tensor_make(memory ? memory + *used : NULL, t, ndim, dim);

    *used += (sc_tensor_bytes(y) + ALIGN - 1) / ALIGN * ALIGN;
    return y;
}

/* Returns the bytes that the frames take. */
static size_t lay_out(sc_past *p, const sc_causal_list *list, sc_dtype t, int64_t h, int64_t w, char *memory)
{
    size_t used = 0;

    for (int i = 0; i < list->count; i++) {
        const int level = list->conv[i].level;

        p->conv[i].frames =
            carve(memory, &used, list->conv[i].narrow ? list->conv[i].type : t,
                  SC_DIMS(list->conv[i].frames, h >> level, w >> level, list->conv[i].channels));
        if (list->conv[i].narrow)
            p->conv[i].frames.scale = carve(memory, &used, SC_F32, SC_DIMS(list->conv[i].frames)).data;
    }
    return used;
}

size_t sc_past_bytes(const sc_causal_list *list, sc_dtype t, int64_t h, int64_t w)
{
    sc_past p;

    return lay_out(&p, list, t, h, w, NULL);
}

void sc_past_open(sc_past *p, const sc_causal_list *list, sc_dtype t, int64_t h, int64_t w, void *memory)
{
    *p = (sc_past){ 0 };
    lay_out(p, list, t, h, w, memory);
}

void sc_causal_load(sc_loader *ld, sc_causal_list *list, sc_causal *w, const sc_causal_shape *s,
                    const char *name)
{
    w->taps = s->taps;
    w->down = s->down;
    w->slot = 0;
    sc_load_conv3d(ld, &w->p, s->out, s->in, s->taps, 3, "%s", name);
    if (w->taps == 1)
        return;
    w->slot = list->count++;
    list->conv[w->slot].frames = kept(w);
    list->conv[w->slot].level = s->level;
    list->conv[w->slot].channels = s->in;
    list->conv[w->slot].narrow = w->p.scale.ndim;
    list->conv[w->slot].type = w->p.w.dtype;
}

int64_t sc_causal_frames(const sc_causal *w, const sc_past *past, int64_t frames)
{
    return (before(w, past) + frames - w->taps) / step(w) + 1;
}

/* With its factor, where a frame has one. */
static sc_tensor frame_of(sc_tensor frames, int64_t t)
{
    sc_tensor f = sc_slice(frames, 0, t, 1);

    f.scale = frames.scale ? frames.scale + t : NULL;
    return f;
}

/* Frame t of a slice; below 0: of those before it. */
static sc_tensor frame_at(const sc_causal *w, sc_tensor in, const sc_past *past, int64_t t)
{
    return t < 0 && past->conv[w->slot].begun
               ? frame_of(past->conv[w->slot].frames, (past->conv[w->slot].oldest + kept(w) + t) % kept(w))
               : frame_of(in, SC_MAX(t, 0));
}

/* A frame takes the place of the oldest one: those that stay are not moved. */
static void remember(sc_exec *x, const sc_causal *w, sc_tensor in, sc_past *past)
{
    const int n = kept(w), at = (int)((past->conv[w->slot].oldest + in.dim[0]) % n);

    for (int64_t i = past->conv[w->slot].begun ? SC_MAX(n - in.dim[0], 0) : 0; i < n; i++) {
        const sc_tensor from = frame_at(w, in, past, in.dim[0] - n + i);
        const sc_tensor to = frame_of(past->conv[w->slot].frames, (at + i) % n);

        sc_copy_into(x, to, from);
        if (to.scale)
            sc_copy_into(x, sc_tensor_make(to.scale, SC_F32, SC_DIMS(1)),
                         sc_tensor_make(from.scale, SC_F32, SC_DIMS(1)));
    }
    past->conv[w->slot].oldest = at;
    past->conv[w->slot].begun = true;
}

/* For what w is given, a frame at a time: three taps see each frame, and so does the next slice, so it is
 * made narrow but once. */
static sc_tensor new_input(sc_exec *x, const sc_causal *w, sc_tensor in)
{
    const bool narrow = w->p.scale.ndim && w->taps > 1;
    sc_tensor y = sc_new(x, narrow ? w->p.w.dtype : x->act, in.ndim, in.dim);

    if (narrow)
        y.scale = sc_new(x, SC_F32, SC_DIMS(in.dim[0])).data;
    return y;
}

static sc_tensor narrowed(sc_exec *x, const sc_causal *w, sc_tensor in)
{
    if (!w->p.scale.ndim || w->taps == 1 || in.dtype == w->p.w.dtype)
        return in;
    const sc_tensor y = new_input(x, w, in);
    for (int64_t t = 0; t < in.dim[0]; t++) {
        const sc_tensor to = frame_of(y, t);
        sc_quantise_into(x, to, sc_tensor_make(to.scale, SC_F32, SC_DIMS(1)), sc_slice(in, 0, t, 1));
    }
    return y;
}

/* One temporal tap's kernels; the bias is the first one's. */
static sc_param tap_of(const sc_causal *w, int k)
{
    const int64_t out = w->p.b.dim[0];
    sc_param p = w->p;

    p.w = sc_slice(p.w, 0, k * out, out);
    if (p.scale.ndim)
        p.scale = sc_slice(p.scale, 0, k * out, out);
    if (k)
        p.b = SC_NONE;
    return p;
}

void sc_causal_into(sc_exec *x, sc_tensor out, const sc_causal *w, sc_tensor in, sc_past *past,
                    const sc_tensor *add)
{
    const sc_tensor was = past->conv[w->slot].frames;
    const sc_mark m = sc_push(x);

    SC_CHECK(x, in.dim[0] > 0 && out.dim[0] == sc_causal_frames(w, past, in.dim[0]));
    SC_CHECK(x, w->taps == 1 || (was.dim[1] == in.dim[1] && was.dim[2] == in.dim[2]));
    in = narrowed(x, w, in);
    for (int64_t t = 0; t < out.dim[0]; t++) {
        const sc_tensor y = sc_slice(out, 0, t, 1), z = add ? sc_slice(*add, 0, t, 1) : SC_NONE;
        sc_conv2d_opt o = { .stride = w->down ? 2 : 1, .pad_mode = w->down ? 2 : 0, .add = &z };

        for (int k = 0; k < w->taps; k++, o.add = &y) {
            const sc_param p = tap_of(w, k);

            sc_conv2d_into(x, y, frame_at(w, in, past, t * step(w) + k - before(w, past)), &p, &o);
        }
    }
    if (kept(w))
        remember(x, w, in, past);
    sc_pop(x, m);
}

sc_tensor sc_causal_forward(sc_exec *x, const sc_causal *w, sc_tensor in, sc_past *past)
{
    const int scale = w->down ? 2 : 1;
    const sc_tensor out = sc_new(
        x, x->act,
        SC_DIMS(sc_causal_frames(w, past, in.dim[0]), in.dim[1] / scale, in.dim[2] / scale, w->p.b.dim[0]));

    sc_causal_into(x, out, w, in, past, NULL);
    return out;
}

void sc_causal_norm(sc_exec *x, sc_tensor out, const sc_norm *w, sc_tensor in)
{
    for (int64_t t = 0; t < in.dim[0]; t++)
        sc_group_norm_into(x, frame_of(out, t), sc_slice(in, 0, t, 1), w, SC_NORM_GROUPS, EPS, true);
}

void sc_causal_resblock_load(sc_loader *ld, sc_causal_list *list, sc_causal_resblock *w, int in, int out,
                             int level, const char *name)
{
    const sc_causal_shape first = { .in = in, .out = out, .taps = TAPS, .level = level };
    const sc_causal_shape second = { .in = out, .out = out, .taps = TAPS, .level = level };

    sc_load_norm(ld, &w->norm1, in, "%s.norm1", name);
    sc_causal_load(ld, list, &w->conv1, &first, sc_name_of("%s.conv1", name).s);
    sc_load_norm(ld, &w->norm2, out, "%s.norm2", name);
    if (in != out)
        sc_load_conv(ld, &w->conv_shortcut, out, in, 1, 1, true, "%s.conv_shortcut", name);
    sc_causal_load(ld, list, &w->conv2, &second, sc_name_of("%s.conv2", name).s);
}

/* The shortcut goes into out and is added to there: one tensor fewer at the widest place. */
void sc_causal_resblock_forward(sc_exec *x, sc_tensor out, const sc_causal_resblock *w, sc_tensor in,
                                sc_past *past)
{
    const sc_mark m = sc_push(x);
    const sc_tensor n = new_input(x, &w->conv1, in);

    sc_causal_norm(x, n, &w->norm1, in);
    sc_tensor h = sc_causal_forward(x, &w->conv1, n, past);
    const sc_tensor made = h;
    if (w->conv2.p.scale.ndim)
        h = new_input(x, &w->conv2, made);
    sc_causal_norm(x, h, &w->norm2, made);
    for (int64_t t = 0; t < in.dim[0] && w->conv_shortcut.w.ndim; t++)
        sc_conv2d_into(x, sc_slice(out, 0, t, 1), sc_slice(in, 0, t, 1), &w->conv_shortcut, NULL);
    sc_causal_into(x, out, &w->conv2, h, past, w->conv_shortcut.w.ndim ? &out : &in);
    sc_pop(x, m);
}

void sc_causal_up_load(sc_loader *ld, sc_causal_list *list, sc_causal_up *w, int width, int frames, int level,
                       const char *name)
{
    const sc_causal_shape s = { .in = width, .out = width, .taps = TAPS, .level = level };

    w->frames = frames;
    sc_load_conv(ld, &w->upscale_conv, 4LL * frames * width, width, 1, 1, true, "%s.upscale_conv", name);
    sc_causal_load(ld, list, &w->conv, &s, sc_name_of("%s.conv", name).s);
}

/* Channels become pixels: channel ((i * 2 + j) * frames + k) * C + c is of row 2h + i, column 2w + j and
 * frame k. */
static void spread(sc_exec *x, sc_tensor out, const sc_causal_up *w, sc_tensor in)
{
    const int z = w->frames;
    const int64_t c = in.dim[3];

    for (int64_t t = 0; t < in.dim[0]; t++) {
        const sc_mark m = sc_push(x);
        const sc_tensor wide = sc_conv2d(x, sc_slice(in, 0, t, 1), &w->upscale_conv, NULL);

        for (int n = 0; n < 4 * z; n++) {
            const sc_tensor row = sc_every(sc_slice(out, 0, t * z + n % z, 1), 1, n / (2 * z), 2);
            sc_copy_into(x, sc_every(row, 2, n / z % 2, 2), sc_slice(wide, 3, n * c, c));
        }
        sc_pop(x, m);
    }
}

int64_t sc_causal_up_frames(const sc_causal_up *w, const sc_past *past, int64_t frames)
{
    const bool drop = w->frames > 1 && !past->conv[w->conv.slot].begun;

    return frames * w->frames - drop;
}

/* Doubling the clip's first frame gives one too many, the second, which is dropped: the first takes its
 * place.
 */
sc_tensor sc_causal_up_forward(sc_exec *x, const sc_causal_up *w, sc_tensor in, sc_past *past)
{
    const int64_t made = in.dim[0] * w->frames, left = sc_causal_up_frames(w, past, in.dim[0]);
    const int64_t h = 2 * in.dim[1], width = 2 * in.dim[2];
    const sc_tensor out = sc_new(x, x->act, SC_DIMS(left, h, width, in.dim[3]));
    const sc_mark m = sc_push(x);
    const sc_tensor all = sc_new(x, x->act, SC_DIMS(made, h, width, in.dim[3]));

    spread(x, all, w, in);
    if (left < made)
        sc_copy_into(x, sc_slice(all, 0, 1, 1), sc_slice(all, 0, 0, 1));
    sc_causal_into(x, out, &w->conv, sc_slice(all, 0, made - left, left), past, NULL);
    sc_pop(x, m);
    return out;
}
