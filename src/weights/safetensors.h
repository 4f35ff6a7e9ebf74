/* One safetensors file: mapped into memory, its header checked strictly. The header is untrusted input. */
#ifndef SC_SAFETENSORS_H
#define SC_SAFETENSORS_H

#include "../tensor.h"

#define SC_ST_MAX_DIM  8
#define SC_ST_MAX_NAME 1024

struct cJSON;

typedef struct sc_st_tensor {
    const char *name; /* printable ASCII, shorter than SC_ST_MAX_NAME; the file's */
    const char *type; /* as the header spells it: "F16"; static */
    int dtype;        /* sc_dtype, or -1: a type that no weight may have */
    int ndim;
    int64_t dim[SC_ST_MAX_DIM];
    const unsigned char *data; /* packed, little-endian, at any alignment */
    size_t bytes;
    /* Of quantised weights, whose dtype is SC_F32: makes numbers of so many blocks. Else NULL. */
    void (*unpack)(float *y, const unsigned char *x, size_t blocks);
    size_t blocks;
    bool used; /* kept by the loader */
} sc_st_tensor;

typedef struct sc_st_file {
    sc_st_tensor *tensor; /* sorted by name, no two alike */
    size_t count;
    struct cJSON *header; /* holds the names, or */
    char *names;          /* does */
    void *map;            /* NULL: the bytes are the caller's */
    size_t map_size;
} sc_st_file;

/* Each fills the zeroed *f, of a GGUF file too (gguf.h). Errors: SC_ERR_WEIGHTS with one line that names the
 * file and what is wrong; -ENOMEM. */
int sc_st_open(sc_st_file *f, const char *path, const sc_logger *log);
/* name is for messages; bytes must outlive *f. */
int sc_st_parse(sc_st_file *f, const void *bytes, size_t size, const char *name, const sc_logger *log);
void sc_st_close(sc_st_file *f);

/* NULL if the file has no such tensor. */
sc_st_tensor *sc_st_find(const sc_st_file *f, const char *name);

/* Parses a small JSON file (config, shard index); *json is the caller's, to be freed with cJSON_Delete. */
int sc_json_read(struct cJSON **json, const char *path, int code, const char *stage, const sc_logger *log);

#endif
