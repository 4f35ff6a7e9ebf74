/* The published folders, of toy width: whole ones open; each thing that can be wrong with one is one clear
 * line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/stages/published.h"
#include "../golden/toy.h"

typedef struct fixture {
    sc_device *dev;
    sc_exec x;
    sc_logger log;
    sc_context c;
    sc_library library;
    char folder[64], last[4096];
    int lines;
} fixture;

/* A network: its folder and file, and a tensor from the middle of it that is no square. */
typedef struct net {
    const char *folder, *file, *tensor;
    int (*open)(const sc_context *c, const char *folder);
} net;

static int open_depth(const sc_context *c, const char *folder)
{
    const sc_unet *u = NULL;
    const int ret = sc_published_unet(&u, c, folder, SC_NET_DEPTH_UNET);
    sc_library_close(c->library, c->x->dev);
    return ret;
}

static int open_inpaint(const sc_context *c, const char *folder)
{
    const sc_unet *u = NULL;
    const int ret = sc_published_unet(&u, c, folder, SC_NET_INPAINT_UNET);
    sc_library_close(c->library, c->x->dev);
    return ret;
}

static int open_vae(const sc_context *c, const char *folder)
{
    const sc_vae *v = NULL;
    const int ret = sc_published_vae(&v, c, folder);
    sc_library_close(c->library, c->x->dev);
    return ret;
}

static int open_clip(const sc_context *c, const char *folder)
{
    const sc_clip *l = NULL;
    const int ret = sc_published_clip(&l, c, folder);
    sc_library_close(c->library, c->x->dev);
    return ret;
}

#define SVD "stable-video-diffusion-img2vid-xt-1-1"
static const net nets[] = {
    { "DepthCrafter", "diffusion_pytorch_model.safetensors",
      "mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight", open_depth },
    { "StereoCrafter/unet_diffusers", "diffusion_pytorch_model.safetensors",
      "up_blocks.1.resnets.0.temporal_res_block.time_emb_proj.weight", open_inpaint },
    { SVD "/vae", "diffusion_pytorch_model.fp16.safetensors", "encoder.down_blocks.1.resnets.0.conv1.weight",
      open_vae },
    { SVD "/image_encoder", "model.fp16.safetensors", "vision_model.encoder.layers.1.mlp.fc1.weight",
      open_clip },
};

static void keep_line(void *opaque, int level, const char *stage, const char *line)
{
    fixture *f = opaque;
    (void)stage;
    if (level > SC_LOG_WARNING)
        return;
    f->lines++;
    snprintf(f->last, sizeof(f->last), "%s", line);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    const sc_device_options o = { .name = "cpu", .threads = 1 };

    strcpy(f->folder, "/tmp/sc-published-XXXXXX");
    f->log = (sc_logger){ .write = keep_line, .opaque = f, .level = SC_LOG_WARNING };
    f->c = (sc_context){ .log = &f->log,
                         .x = &f->x,
                         .library = &f->library }; /* its precision: fp32 throughout */
    *state = f;
    return !mkdtemp(f->folder) || sc_device_open(&f->dev, &o, &f->log) < 0 ||
           sc_exec_open(&f->x, f->dev, &f->log, SC_F32, 0) < 0 ||
           toy_write_models(f->folder, GOLDEN_DATA) < 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", f->folder);
    sc_exec_close(&f->x);
    sc_device_close(&f->dev);
    const int ret = system(command);
    free(f);
    return ret;
}

/* ---- a safetensors file, to be changed and written back */

typedef struct file {
    char path[256];
    char *header, *data; /* header: text, with room for some more */
    size_t size;         /* of data */
} file;

static file file_read(const fixture *f, const net *n)
{
    file r;
    unsigned char length[8];
    size_t header = 0;

    snprintf(r.path, sizeof(r.path), "%s/%s/%s", f->folder, n->folder, n->file);
    FILE *in = fopen(r.path, "rb");
    assert_non_null(in);
    assert_int_equal(fread(length, 1, 8, in), 8);
    for (int i = 7; i >= 0; i--)
        header = header << 8 | length[i];
    assert_int_equal(fseek(in, 0, SEEK_END), 0);
    r.size = (size_t)ftell(in) - 8 - header;
    r.header = calloc(1, header + 256);
    r.data = calloc(1, r.size + 256);
    assert_true(r.header && r.data);
    assert_int_equal(fseek(in, 8, SEEK_SET), 0);
    assert_int_equal(fread(r.header, 1, header, in), header);
    assert_int_equal(fread(r.data, 1, r.size, in), r.size);
    fclose(in);
    return r;
}

static void file_write(const file *r)
{
    FILE *out = fopen(r->path, "wb");
    const size_t n = strlen(r->header);

    assert_non_null(out);
    for (int i = 0; i < 8; i++)
        fputc((int)(n >> 8 * i & 255), out);
    assert_int_equal(fwrite(r->header, 1, n, out), n);
    assert_int_equal(fwrite(r->data, 1, r->size, out), r->size);
    assert_int_equal(fclose(out), 0);
}

static void file_free(file *r)
{
    free(r->header);
    free(r->data);
}

/* Where the header says something of a tensor: its name's opening quote. */
static char *entry(const file *r, const char *tensor)
{
    char quoted[160];

    snprintf(quoted, sizeof(quoted), "\"%s\"", tensor);
    char *at = strstr(r->header, quoted);
    assert_non_null(at);
    return at;
}

static void one_byte_missing(file *r, const net *n)
{
    (void)n;
    r->size--;
}

/* The last tensor of the file, so that the others lie as they did. */
static void tensor_missing(file *r, const net *n)
{
    char *last = strrchr(r->header, ']'), *begin;
    size_t from, to;

    (void)n;
    for (begin = last; memcmp(begin, "},", 2); begin--)
        ;
    const char *offsets = strstr(begin, "\"data_offsets\":[");
    assert_int_equal(sscanf(offsets, "\"data_offsets\":[%zu,%zu]", &from, &to), 2);
    assert_int_equal(to, r->size);
    r->size = from;
    memset(begin + 1, ' ', (size_t)(last + 2 - (begin + 1))); /* its comma and closing brace too */
}

static void tensor_renamed(file *r, const net *n)
{
    entry(r, n->tensor)[1] = 'X';
}

static void tensor_misshapen(file *r, const net *n)
{
    char *shape = strstr(entry(r, n->tensor), "\"shape\":[") + strlen("\"shape\":["), turned[64];
    int rows, columns, length;

    assert_int_equal(sscanf(shape, "%d,%d%n", &rows, &columns, &length), 2);
    assert_int_not_equal(rows, columns);
    assert_int_equal(snprintf(turned, sizeof(turned), "%d,%d", columns, rows), length);
    memcpy(shape, turned, (size_t)length);
}

static void tensor_extra(file *r, const net *n)
{
    char *end = strrchr(r->header, '}');

    (void)n;
    sprintf(end, ",\"one.too.many\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}}", r->size,
            r->size + 4);
    r->size += 4;
}

static void whole(void **state)
{
    fixture *f = *state;
    char folder[256];

    f->lines = 0;
    for (int i = 0; i < SC_COUNT(nets); i++) {
        snprintf(folder, sizeof(folder), "%s/%s", f->folder, nets[i].folder);
        if (nets[i].open(&f->c, folder) < 0 || f->lines)
            fail_msg("%s: %s", folder, f->last);
    }
}

static void broken(void **state)
{
    static const struct {
        const char *what, *why; /* why: a part of the line; %s is the net's tensor */
        void (*make)(file *r, const net *n);
    } cases[] = {
        { "one byte missing", "it may be cut short", one_byte_missing },
        { "tensor missing", "1 tensors missing or misshapen, 0 too many", tensor_missing },
        { "tensor renamed", "%s is missing", tensor_renamed },
        { "tensor misshapen", "%s is [", tensor_misshapen },
        { "tensor too many", "one.too.many is not known", tensor_extra },
    };
    fixture *f = *state;
    char folder[256], why[256];

    for (int i = 0; i < SC_COUNT(nets); i++)
        for (int k = 0; k < SC_COUNT(cases); k++) {
            const file whole_file = file_read(f, &nets[i]);
            file r = file_read(f, &nets[i]);
            cases[k].make(&r, &nets[i]);
            file_write(&r);
            f->lines = 0;
            snprintf(folder, sizeof(folder), "%s/%s", f->folder, nets[i].folder);
            snprintf(why, sizeof(why), cases[k].why, nets[i].tensor);
            const int ret = nets[i].open(&f->c, folder);
            if (ret != SC_ERR_WEIGHTS || f->lines != 1 || !strstr(f->last, why) || !strstr(f->last, r.path))
                fail_msg("%s, %s: code %d, %d lines, the last: %s", r.path, cases[k].what, ret, f->lines,
                         f->last);
            file_write(&whole_file);
            file_free(&r);
            file_free((file *)&whole_file);
        }
    whole(state);
}

/* Numbers whose products would not fit into an int. */
static void config(void **state)
{
    static const struct {
        int net;
        const char *why, *text; /* why: a part of the line */
    } cases[] = {
        { 0, "context", "{\"cross_attention_dim\":2147483647}" },
        { 0, "addition_time_embed_dim", "{\"addition_time_embed_dim\":2000000000}" },
        { 1, "channels", "{\"block_out_channels\":1073741824,\"num_attention_heads\":1}" },
        { 2, "latent channels", "{\"latent_channels\":2000000000}" },
        { 2, "block_out_channels", "{\"block_out_channels\":1073741824}" },
        { 2, "misshapen",
          "{\"scaling_factor\":-1e300}" }, /* no float: left out, and toys are not full size */
        { 3, "widths", "{\"hidden_size\":2147483632}" },
        { 3, "widths", "{\"intermediate_size\":2000000000}" },
        { 3, "image_size", "{\"image_size\":2000000000}" },
    };
    fixture *f = *state;
    char folder[256], path[300];

    for (int i = 0; i < SC_COUNT(cases); i++) {
        snprintf(folder, sizeof(folder), "%s/%s", f->folder, nets[cases[i].net].folder);
        snprintf(path, sizeof(path), "%s/config.json", folder);
        FILE *out = fopen(path, "w");
        assert_non_null(out);
        fputs(cases[i].text, out);
        fclose(out);
        f->lines = 0;
        const int ret = nets[cases[i].net].open(&f->c, folder);
        if (ret != SC_ERR_WEIGHTS || f->lines != 1 || !strstr(f->last, cases[i].why))
            fail_msg("%s: code %d, %d lines, the last: %s", cases[i].text, ret, f->lines, f->last);
    }
}

/* Two stages that ask for a folder share what is in it; another folder is another network. */
static void loaded_once(void **state)
{
    const fixture *f = *state;
    const sc_vae *a = NULL, *b = NULL;
    const sc_unet *u = NULL, *v = NULL;
    char vae[256], unet[2][256];

    snprintf(vae, sizeof(vae), "%s/%s", f->folder, nets[2].folder);
    for (int i = 0; i < 2; i++)
        snprintf(unet[i], sizeof(unet[i]), "%s/%s", f->folder, nets[i].folder);
    assert_int_equal(sc_published_vae(&a, &f->c, vae), 0);
    assert_int_equal(sc_published_unet(&u, &f->c, unet[0], SC_NET_DEPTH_UNET), 0);
    assert_int_equal(sc_published_unet(&v, &f->c, unet[1], SC_NET_INPAINT_UNET), 0);
    assert_int_equal(sc_published_vae(&b, &f->c, vae), 0);
    assert_true(a && a == b && u && v && u != v);
    assert_int_equal(f->library.count, 3);
    sc_library_close(f->c.library, f->dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whole, setup, teardown),
        cmocka_unit_test_setup_teardown(broken, setup, teardown),
        cmocka_unit_test_setup_teardown(config, setup, teardown),
        cmocka_unit_test_setup_teardown(loaded_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
