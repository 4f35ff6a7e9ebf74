#include "options_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A plain decimal number and nothing after it. Not strtod(), which obeys the locale and takes "inf" and
 * "0x1p3". */
static bool parse_number(const char *s, double *out)
{
    double v = 0, scale = 1;
    const bool negative = *s == '-';
    int digits = 0, after = 0, exponent = 0;

    s += *s == '-' || *s == '+';
    for (; *s >= '0' && *s <= '9'; s++, digits++)
        v = v * 10 + (*s - '0');
    if (*s == '.')
        for (s++; *s >= '0' && *s <= '9'; s++, digits++, after++)
            v = v * 10 + (*s - '0');
    if (!digits || digits > 300)
        return false;
    if (*s == 'e' || *s == 'E') {
        const bool down = s[1] == '-';
        s += 1 + (s[1] == '-' || s[1] == '+');
        if (*s < '0' || *s > '9')
            return false;
        for (; *s >= '0' && *s <= '9'; s++)
            exponent = exponent > 999 ? exponent : exponent * 10 + (*s - '0');
        exponent = down ? -exponent : exponent;
    }
    if (*s)
        return false;
    exponent -= after;
    scale = pow(10, abs(exponent));
    v = exponent < 0 ? v / scale
                     : v * scale; /* powers of ten are exact up to 22, so 0.45 is the nearest double */
    *out = negative ? -v : v;
    return isfinite(v);
}

/* 12.5, 1:02:03.25, 2:03 or 1500ms, in seconds. */
static bool parse_time(const char *s, double *out)
{
    char part[32];
    double v, sum = 0;
    int parts = 0;

    for (;; parts++) {
        size_t n = strcspn(s, ":");
        const bool last = !s[n];
        double unit = 1;
        if (n >= sizeof part || parts > 2 || !n || s[0] == '-' || s[0] == '+')
            return false;
        memcpy(part, s, n);
        part[n] = 0;
        if (!parts && last && n > 2 && !strcmp(part + n - 2, "ms")) {
            part[n - 2] = 0;
            unit = 1e3;
        } else if (!last && strspn(part, "0123456789") != n) {
            return false;
        }
        if (!parse_number(part, &v) || (parts && v >= 60))
            return false;
        sum = sum * 60 + v / unit;
        if (last)
            break;
        s += n + 1;
    }
    *out = sum;
    return true;
}

/* 8G, 512M or auto, in bytes. */
static bool parse_size(const char *s, int64_t *out)
{
    static const char units[] = "MG";
    char number[32];
    const size_t n = strlen(s);
    double v;

    if (!strcmp(s, "auto") || !strcmp(s, "0")) {
        *out = 0;
        return true;
    }
    const char *unit = n > 1 && n < sizeof number ? strchr(units, s[n - 1]) : NULL;
    if (!unit)
        return false;
    memcpy(number, s, n - 1);
    number[n - 1] = 0;
    if (!parse_number(number, &v) || v < 0 || v > 1e6)
        return false;
    *out = (int64_t)(v * (double)((int64_t)1 << (20 + 10 * (unit - units))));
    return true;
}

int sc_option_choice(const char *const *list, const char *value)
{
    for (int i = 0; list[i]; i++)
        if (!strcmp(list[i], value))
            return i;
    return -1;
}

static int complain(char *error, size_t size, const char *fmt, ...) SC_PRINTF(3, 4);
static int complain(char *error, size_t size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(error, size, fmt, ap);
    va_end(ap);
    return SC_ERR_USAGE;
}

/* Where the words of the command line go. Options of an output wait for its name, but those of an only output
 * may also follow it. */
typedef struct line {
    sc_options *o;
    sc_output next;                 /* as given since the last name */
    sc_output usual;                /* of outputs that nothing is given of: defaults, and --config's */
    sc_output first;                /* of several, as given before its name */
    int outputs;                    /* named so far */
    bool input_given, output_given; /* by -i, by -o, somewhere in the line */
    bool pair;                      /* --score: all files are read */
    const char *dangling;           /* the last option given since the last name */
    char *error;
    size_t size;
} line;

static int set_value(void *m, const sc_option *row, const char *value, char *error, size_t size)
{
    const char *name = row->name;
    char text[192];
    double v = 0;
    int i;

    switch (row->type) {
    case SC_TEXT:
        *(const char **)m = value;
        return 0;
    case SC_CHOICE:
        i = sc_option_choice(row->choice, value);
        sc_option_choices(row, text, sizeof text);
        if (i < 0 && strstr(value, "hevc") && !strcmp(name, "--layout"))
            return complain(
                error, size,
                "%s: \"%s\" needs an encoder of two views, which FFmpeg before 7.1 and x265 before 4 do "
                "not have; of sbs in a .mov Apple's players read how its eyes are packed",
                name, value);
        if (i < 0)
            return complain(error, size, "%s: \"%s\" is not one of %s", name, value, text);
        *(int *)m = i;
        return 0;
    case SC_SIZE:
        if (!parse_size(value, (int64_t *)m))
            return complain(error, size, "%s: \"%s\" is not a size (8G, 512M or auto)", name, value);
        return 0;
    case SC_TIME:
        if (!parse_time(value, &v) || v > row->max)
            return complain(error, size, "%s: \"%s\" is not a time (seconds, h:m:s.ms or 1500ms)", name,
                            value);
        *(double *)m = v;
        return 0;
    case SC_REAL:
        if (!parse_number(value, &v) || v < row->min || v > row->max)
            return complain(error, size, "%s: \"%s\" is not a number between %.10g and %.10g (%s)", name,
                            value, row->min, row->max, row->unit);
        *(double *)m = v;
        return 0;
    default: /* INT, LONG */
        if (!parse_number(value, &v) || v < row->min || v > row->max || v != floor(v))
            return complain(error, size, "%s: \"%s\" is not a whole number between %.16g and %.16g (%s)",
                            name, value, row->min, row->max, row->unit);
        if (row->step && (int)v % row->step)
            return complain(error, size, "%s: \"%s\" is not a multiple of %d (%s)", name, value, row->step,
                            row->unit);
        if (row->type == SC_INT)
            *(int *)m = (int)v;
        else
            *(int64_t *)m = (int64_t)v;
        return 0;
    }
}

/* name[0..n) is the row's name or one of its aliases. */
static bool names(const sc_option *row, const char *name, size_t n)
{
    if (strlen(row->name) == n && !memcmp(row->name, name, n))
        return true;
    for (const char *a = row->alias; a && *a; a += strcspn(a, " "), a += *a == ' ')
        if (strcspn(a, " ") == n && !memcmp(a, name, n))
            return true;
    return false;
}

const sc_option *sc_option_find(const char *name, size_t n)
{
    for (int i = 0; i < sc_option_count; i++)
        if (names(&sc_option_table[i], name, n))
            return &sc_option_table[i];
    return NULL;
}

static bool is_option(const char *arg)
{
    return arg[0] == '-' && arg[1];
}

/* Edits (insert, delete, replace) that turn a into b. */
static int distance(const char *a, const char *b)
{
    int row[64];
    const int n = (int)strlen(b);

    if (n >= SC_COUNT(row) || strlen(a) >= 64)
        return 64;
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            const int replace = diagonal + (a[i - 1] != b[j - 1]), step = SC_MIN(row[j], row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = SC_MIN(replace, step);
        }
    }
    return row[n];
}

static int unknown(const char *arg, char *error, size_t size)
{
    const char *nearest = NULL;
    int best = 1 + (int)strlen(arg) / 3; /* beyond a third of the letters it is a guess */

    for (int i = 0; i < sc_option_count; i++) {
        const int d = distance(arg, sc_option_table[i].name);
        if (d < best) {
            best = d;
            nearest = sc_option_table[i].name;
        }
    }
    if (nearest)
        return complain(error, size, "unknown option %s: did you mean %s?", arg, nearest);
    return complain(error, size, "unknown option %s (--help lists them)", arg);
}

static void forget_options(line *l)
{
    l->dangling = NULL;
    l->next = l->usual;
}

static int add_output(line *l, const char *path)
{
    sc_settings *s = &l->o->set;

    if (l->outputs == SC_MAX_OUTPUTS)
        return complain(l->error, l->size, "\"%s\": more than %d outputs", path, SC_MAX_OUTPUTS);
    if (l->outputs == 1)
        s->output[0] = l->first;
    l->next.path = path;
    s->output[l->outputs++] = l->next;
    s->outputs = l->outputs;
    l->first = s->output[0];
    forget_options(l);
    return 0;
}

/* INPUT [OUTPUT]...; with -o or --score all are inputs, with -i all are outputs. */
static int add_file(line *l, const char *path)
{
    sc_options *o = l->o;

    if (!*path)
        return complain(l->error, l->size, "an empty file name");
    if (l->input_given && (l->output_given || l->pair))
        return complain(l->error, l->size, "unexpected \"%s\": %s", path,
                        l->pair ? "--score takes its films without -i" : "input and output are given");
    if (!l->output_given && !l->pair && (l->input_given || o->inputs)) {
        /* Else films that a shell made of a pattern would be overwritten. */
        if (l->outputs && !l->dangling)
            return complain(l->error, l->size,
                            "unexpected \"%s\" after %s and %s (many films: name the folder for the results "
                            "with -o; a second output: give its --layout before it)",
                            path, o->inputs ? o->input[0] : o->set.input, o->set.output[l->outputs - 1].path);
        return add_output(l, path);
    }
    if (o->inputs == SC_MAX_INPUTS)
        return complain(l->error, l->size, "more than %d files: name their folder or a list of them",
                        SC_MAX_INPUTS);
    o->input[o->inputs++] = path;
    o->set.input = o->input[0];
    return 0;
}

static int give_value(line *l, const sc_option *row, const char *value)
{
    sc_settings *s = &l->o->set;
    int ret;

    if (row->type == SC_TEXT && !*value)
        return complain(l->error, l->size, "%s: is empty", row->name);
    if (row->per_output && row->offset == offsetof(sc_output, path))
        return add_output(l, value);
    if (!row->per_output && row->offset == offsetof(sc_options, set.input)) {
        l->o->input[0] = value;
        l->o->inputs = 1;
    }
    SC_TRY(set_value(sc_option_member(row, l->o, &l->next), row, value, l->error, l->size));
    if (row->per_output) {
        l->dangling = row->name;
        if (l->outputs <= 1)
            SC_TRY(set_value(sc_option_member(row, l->o, &s->output[0]), row, value, l->error, l->size));
    }
    return 0;
fail:
    return ret;
}

/* 1 if the word is one of the forms. */
static int find_help_form(int *form, const char *word)
{
    static const char *const forms[] = { "full", "man", "completion", NULL };
    const int i = sc_option_choice(forms, word);

    if (i >= 0)
        *form = SC_HELP_FULL + i;
    return i >= 0;
}

static int read_option(line *l, int argc, char **argv, int *at)
{
    const char *arg = argv[*at];
    const size_t n = strncmp(arg, "--", 2) ? strlen(arg) : strcspn(arg, "=");
    const char *value = arg[n] ? arg + n + 1 : NULL;
    const sc_option *row = sc_option_find(arg, n);
    char plain[64];

    if (!row && !strncmp(arg, "--no-", 5)) {
        snprintf(plain, sizeof plain, "--%s", arg + 5);
        row = sc_option_find(plain, strlen(plain));
        if (row && row->type == SC_BOOL) {
            *(int *)sc_option_member(row, l->o, &l->next) = 0;
            return 0;
        }
        row = NULL;
    }
    if (!row)
        return unknown(arg, l->error, l->size);
    if (row->type == SC_BOOL || row->type == SC_SET || row->type == SC_HELP) {
        if (value)
            return complain(l->error, l->size, "%s: takes no value", row->name);
        *(int *)sc_option_member(row, l->o, &l->next) = row->type == SC_SET ? (int)row->def : 1;
        if (row->type == SC_HELP && *at + 1 < argc)
            *at += find_help_form(&l->o->help, argv[*at + 1]);
        return 0;
    }
    if (!value) {
        if (*at + 1 >= argc ||
            (is_option(argv[*at + 1]) && sc_option_find(argv[*at + 1], strlen(argv[*at + 1]))))
            return complain(l->error, l->size, "%s: a value is missing", arg);
        value = argv[++*at];
    }
    return give_value(l, row, value);
}

static int check_together(const sc_settings *s, char *error, size_t size)
{
    if (s->end >= 0 && s->duration >= 0)
        return complain(error, size, "-to and -t exclude each other");
    if (s->end >= 0 && s->end <= s->start)
        return complain(error, size, "-to: %.10g s is not after -ss, %.10g s", s->end, s->start);
    if (s->duration >= 0 && s->duration < 1e-6)
        return complain(error, size, "-t: nothing would be converted");
    if (s->cache && (s->depth_file || s->export_depth))
        return complain(error, size, "--cache and %s exclude each other",
                        s->depth_file ? "--depth" : "--export-depth");
    if (s->reconstruct && !s->vae)
        return complain(error, size, "--reconstruct: by which network? --vae names its file");
    if (s->reconstruct &&
        (s->depth_file || s->export_depth || s->cache || s->shots || s->analyze || s->report))
        return complain(error, size, "--reconstruct makes no depth: %s does not go with it",
                        s->depth_file     ? "--depth"
                        : s->export_depth ? "--export-depth"
                        : s->cache        ? "--cache"
                        : s->shots        ? "--shots"
                        : s->analyze      ? "--analyze"
                                          : "--report");
    if (s->convergence_mode == SC_CONVERGENCE_SUBJECT && (s->shots || s->analyze))
        return complain(error, size, "--convergence-mode subject: %s has a convergence for each shot",
                        s->shots ? "--shots" : "--analyze");
    if (s->analyze && s->report)
        return complain(error, size, "--analyze makes no other eye that --report could show");
    if (s->analyze && s->output[0].path)
        return complain(error, size, "--analyze converts nothing: \"%s\" would not be made",
                        s->output[0].path);
    if (s->max_parallax > 0 && s->viewer == SC_VIEWER_NONE)
        return complain(error, size, "--max-parallax: for whom? --viewer says it");
    if (sc_is_pipe(s->input) && sc_is_pipe(s->depth_file))
        return complain(error, size, "--depth: standard input is the film already");
    if (s->depth_overlap >= s->depth_window)
        return complain(error, size, "--depth-overlap: %d is not less than --depth-window, %d",
                        s->depth_overlap, s->depth_window);
    if (s->inpaint_overlap >= s->inpaint_window)
        return complain(error, size, "--inpaint-overlap: %d is not less than --inpaint-window, %d",
                        s->inpaint_overlap, s->inpaint_window);
    return 0;
}

/* LEFT RIGHT [MADE], or one film that has both eyes side by side. */
static int take_pair(sc_options *o, char *error, size_t size)
{
    sc_settings *s = &o->set;

    if (s->reconstruct || s->cache || s->analyze || s->report || s->preview || s->output[0].path)
        return complain(error, size, "--score converts nothing: %s does not go with it",
                        s->reconstruct ? "--reconstruct"
                        : s->cache     ? "--cache"
                        : s->analyze   ? "--analyze"
                        : s->report    ? "--report"
                        : s->preview   ? "--preview"
                                       : "an output");
    if (s->synthetic_view != SC_VIEW_RIGHT)
        return complain(error, size, "--score compares the right eye: --synthetic-view right makes it");
    if (o->inputs > 3)
        return complain(error, size, "--score: \"%s\" is one film too many: LEFT RIGHT [MADE]", o->input[3]);
    for (int i = 0; i < o->inputs; i++)
        if (sc_is_pipe(o->input[i]) && (i || o->inputs < 2))
            return complain(error, size, "--score: standard input can be the left eye alone");
    s->truth = o->inputs > 1 ? o->input[1] : NULL;
    s->made = o->inputs > 2 ? o->input[2] : NULL;
    o->inputs = SC_MIN(o->inputs, 1);
    s->output[0].format = SC_FORMAT_NULL;
    return 0;
}

/* Whether an option is given at all: its names cannot be another's value. */
static bool is_given(const char *name, int argc, char **argv)
{
    const sc_option *row = sc_option_find(name, strlen(name));

    for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
        if (names(row, argv[i], strncmp(argv[i], "--", 2) ? strlen(argv[i]) : strcspn(argv[i], "=")))
            return true;
    return false;
}

/* The last value that an option of one name is given, or NULL. */
static const char *given_value(const char *name, int argc, char **argv)
{
    const size_t n = strlen(name);
    const char *value = NULL;

    for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], name) && i + 1 < argc)
            value = argv[i + 1];
        else if (!strncmp(argv[i], name, n) && argv[i][n] == '=')
            value = argv[i] + n + 1;
    return value;
}

/* What --fidelity stands for comes before all other options, wherever it is given. What it is given as is
 * checked with them. */
static void apply_fidelity(sc_options *o, int argc, char **argv)
{
    static const char name[] = "--fidelity";
    const char *value = given_value(name, argc, argv);

    if (value)
        sc_settings_fidelity(&o->set,
                             SC_MAX(sc_option_choice(sc_option_find(name, strlen(name))->choice, value), 0));
}

/* Options of a file, before those of the command line; an output's are for every output. */
static int apply_config(line *l, const char *path)
{
    sc_config *c = &l->o->configured;
    char message[512];
    int ret;

    *c = (sc_config){ .words = 1, .word = { c->text } }; /* as if it were the program's name */
    SC_TRY(sc_config_read(c, path, l->error, l->size));
    apply_fidelity(l->o, c->words, c->word);
    for (int i = 1; i < c->words; i++) {
        const int from = c->line[i];

        if ((ret = read_option(l, c->words, c->word, &i)) < 0) {
            snprintf(message, sizeof message, "%s", l->error);
            return complain(l->error, l->size, "%s:%d: %s", path, from, message);
        }
    }
    l->usual = l->next;
    forget_options(l);
    return 0;
fail:
    return ret;
}

int sc_options_parse(sc_options *o, int argc, char **argv, char *error, size_t size)
{
    line l = { .o = o,
               .input_given = is_given("--input", argc, argv),
               .output_given = is_given("--output", argc, argv),
               .pair = is_given("--score", argc, argv),
               .error = error,
               .size = size };
    const char *config = given_value("--config", argc, argv);
    bool ended = false;
    int ret;

    for (int i = 0; i < sc_option_count; i++)
        if (sc_option_table[i].per_output)
            sc_option_reset(&sc_option_table[i], o, &l.usual);
    forget_options(&l);
    if (config && *config)
        SC_TRY(apply_config(&l, config));
    apply_fidelity(o, argc, argv);
    for (int i = 1; i < argc; i++) {
        if (!ended && !strcmp(argv[i], "--"))
            ended = true;
        else if (!ended && is_option(argv[i]))
            SC_TRY(read_option(&l, argc, argv, &i));
        else
            SC_TRY(add_file(&l, argv[i]));
    }
    if (o->help || o->version || o->info)
        return 0;
    if (l.outputs > 1 && l.dangling)
        return complain(error, size,
                        "%s: stands after the last output; of several, each has its options before it",
                        l.dangling);
    SC_TRY(check_together(&o->set, error, size));
    if (o->set.analyze) { /* holes are counted, not filled */
        o->set.output[0].format = SC_FORMAT_NULL;
        o->set.inpaint = SC_INPAINT_NONE;
    }
    if (o->set.score)
        SC_TRY(take_pair(o, error, size));
    if (o->bench || (!o->set.input && o->print_config))
        return 0;
    if (!o->set.input)
        return complain(error, size, "an input is missing: stereocrafter [options] INPUT [OUTPUT]");
    if (!o->set.preview && !o->set.output[0].path && o->set.output[0].format != SC_FORMAT_NULL)
        SC_TRY(sc_options_name_output(o, 0, NULL, error, size));
    return 0;
fail:
    return ret;
}
