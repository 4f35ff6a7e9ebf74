#include "options_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What players look for in a file's name to find the layout (iw3's names; Pigasus wants LRF, SKYBOX Full_SBS,
 * DeoVR LR). */
static const char *const layout_suffix[] = {
    [SC_LAYOUT_SBS] = "_LRF_Full_SBS", [SC_LAYOUT_HSBS] = "_LR",
    [SC_LAYOUT_TAB] = "_TBF_fulltb",   [SC_LAYOUT_HTAB] = "_TB",
    [SC_LAYOUT_CROSS] = "_RLF_cross",  [SC_LAYOUT_LEFT] = "_left",
    [SC_LAYOUT_RIGHT] = "_right",      [SC_LAYOUT_DUBOIS] = "_redcyan_dubois",
    [SC_LAYOUT_REDCYAN] = "_redcyan",  [SC_LAYOUT_RGBD] = "_RGBD",
};

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

static int find_choice(const char *const *list, const char *value)
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

static int set_value(sc_options *o, const sc_option *row, const char *name, const char *value, char *error,
                     size_t size)
{
    void *m = sc_option_member(row, o);
    char text[128];
    double v = 0;
    int i;

    switch (row->type) {
    case SC_TEXT:
        if (!*value)
            return complain(error, size, "%s: is empty", name);
        *(const char **)m = value;
        return 0;
    case SC_CHOICE:
        i = find_choice(row->choice, value);
        sc_option_choices(row, text, sizeof text);
        if (i < 0)
            return complain(error, size, "%s: \"%s\" is not one of %s", name, value, text);
        *(int *)m = i;
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

static const sc_option *find_option(const char *name, size_t n)
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

static int read_option(sc_options *o, int argc, char **argv, int *at, char *error, size_t size)
{
    const char *arg = argv[*at];
    const size_t n = strncmp(arg, "--", 2) ? strlen(arg) : strcspn(arg, "=");
    const char *value = arg[n] ? arg + n + 1 : NULL;
    const sc_option *row = find_option(arg, n);
    char plain[64];

    if (!row && !strncmp(arg, "--no-", 5)) {
        snprintf(plain, sizeof plain, "--%s", arg + 5);
        row = find_option(plain, strlen(plain));
        if (row && row->type == SC_BOOL) {
            *(int *)sc_option_member(row, o) = 0;
            return 0;
        }
        row = NULL;
    }
    if (!row)
        return unknown(arg, error, size);
    if (row->type == SC_BOOL || row->type == SC_SET || row->type == SC_HELP) {
        if (value)
            return complain(error, size, "%s: takes no value", row->name);
        *(int *)sc_option_member(row, o) = row->type == SC_SET ? (int)row->def : 1;
        if (row->type == SC_HELP && *at + 1 < argc && !strcmp(argv[*at + 1], "full")) {
            o->help_full = 1;
            ++*at;
        }
        return 0;
    }
    if (!value) {
        if (*at + 1 >= argc ||
            (is_option(argv[*at + 1]) && find_option(argv[*at + 1], strlen(argv[*at + 1]))))
            return complain(error, size, "%s: a value is missing", arg);
        value = argv[++*at];
    }
    return set_value(o, row, row->name, value, error, size);
}

/* Containers that cannot hold what is made by default become mkv. */
int sc_options_name_output(sc_options *o, const char *folder, char *error, size_t size)
{
    static const char *const kept[] = { "mp4", "m4v", "mov", "mkv", "ts", "nut", NULL };
    const char *in = o->set.input;
    const char *slash = strrchr(in, '/'), *name = slash ? slash + 1 : in;
    const char *dot = strrchr(name, '.');
    const size_t stem = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    const char *ext = name[stem] && find_choice(kept, dot + 1) >= 0 ? dot + 1 : "mkv";
    const char *suffix = layout_suffix[o->set.layout];
    const int beside = folder ? (int)strlen(folder) : (int)(name - in);
    const bool parted = folder && beside && folder[beside - 1] != '/';

    if (!stem)
        return complain(error, size, "\"%s\" is not a file: name an output too", in);
    if ((size_t)beside + stem + strlen(suffix) + strlen(ext) + 3 > sizeof o->named)
        return complain(error, size, "the path is too long to name the output by");
    const int at =
        snprintf(o->named, sizeof o->named, "%.*s%s", beside, folder ? folder : in, parted ? "/" : "");
    snprintf(o->named + at, sizeof o->named - (size_t)at, "%.*s%s.%s", (int)stem, name, suffix, ext);
    for (char *c = o->named + at; *c; c++)
        if (strchr("\\:*?\"<>|", *c)) /* what SMB shares refuse */
            *c = '_';
    o->set.output = o->named;
    return 0;
}

static int check_together(const sc_settings *s, char *error, size_t size)
{
    if (s->end >= 0 && s->duration >= 0)
        return complain(error, size, "-to and -t exclude each other");
    if (s->end >= 0 && s->end <= s->start)
        return complain(error, size, "-to: %.10g s is not after -ss, %.10g s", s->end, s->start);
    if (s->duration >= 0 && s->duration < 1e-6)
        return complain(error, size, "-t: nothing would be converted");
    if (s->depth_overlap >= s->depth_window)
        return complain(error, size, "--depth-overlap: %d is not less than --depth-window, %d",
                        s->depth_overlap, s->depth_window);
    if (s->inpaint_overlap >= s->inpaint_window)
        return complain(error, size, "--inpaint-overlap: %d is not less than --inpaint-window, %d",
                        s->inpaint_overlap, s->inpaint_window);
    return 0;
}

/* INPUT [OUTPUT]; with -o INPUT..., with -i [OUTPUT]. */
static int sort_files(sc_options *o, char *error, size_t size)
{
    const int files = o->inputs;

    for (int i = 0; i < files; i++)
        if (!*o->input[i])
            return complain(error, size, "an empty file name");
    if (o->set.input) {
        if (files > !o->set.output)
            return complain(error, size, "unexpected \"%s\": input and output are given",
                            o->input[!o->set.output]);
        if (files)
            o->set.output = o->input[0];
        o->input[0] = o->set.input;
        o->inputs = 1;
    } else if (!o->set.output && files > 1) {
        if (files > 2)
            return complain(error, size,
                            "unexpected \"%s\" after %s and %s (many films: name the folder for the "
                            "results with -o)",
                            o->input[2], o->input[0], o->input[1]);
        o->set.output = o->input[--o->inputs];
    }
    o->set.input = o->inputs ? o->input[0] : NULL;
    return 0;
}

int sc_options_parse(sc_options *o, int argc, char **argv, char *error, size_t size)
{
    bool ended = false;
    int ret;

    for (int i = 1; i < argc; i++) {
        if (!ended && !strcmp(argv[i], "--")) {
            ended = true;
        } else if (!ended && is_option(argv[i])) {
            SC_TRY(read_option(o, argc, argv, &i, error, size));
        } else if (o->inputs < SC_MAX_INPUTS) {
            o->input[o->inputs++] = argv[i];
        } else {
            return complain(error, size, "more than %d files: name their folder or a list of them",
                            SC_MAX_INPUTS);
        }
    }
    if (o->help || o->version || o->info)
        return 0;
    SC_TRY(sort_files(o, error, size));
    SC_TRY(check_together(&o->set, error, size));
    if (o->bench || (!o->set.input && o->print_config))
        return 0;
    if (!o->set.input)
        return complain(error, size, "an input is missing: stereocrafter [options] INPUT [OUTPUT]");
    if (!o->set.output && !o->set.discard)
        SC_TRY(sc_options_name_output(o, NULL, error, size));
    return 0;
fail:
    return ret;
}
