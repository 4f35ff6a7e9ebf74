/* What the table of options says of itself: --help and --print-config. */
#include <string.h>

#include "options_table.h"

void sc_option_choices(const sc_option *row, char *out, size_t size)
{
    size_t n = 0;
    for (int i = 0; row->choice[i] && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s", i ? ", " : "", row->choice[i]);
}

/* Prints text from the given column on, wrapped at 100. */
static void wrap(FILE *f, int column, const char *text)
{
    const int margin = column;
    while (*text) {
        const int n = (int)strcspn(text, " ");
        if (column > margin && column + 1 + n > 100) {
            fprintf(f, "\n%*s", margin, "");
            column = margin;
        } else if (column > margin) {
            fputc(' ', f);
            column++;
        }
        fprintf(f, "%.*s", n, text);
        column += n;
        text += n;
        text += *text == ' ';
    }
    fputc('\n', f);
}

static const char *placeholder(const sc_option *row)
{
    switch (row->type) {
    case SC_INT:
    case SC_LONG:
    case SC_REAL:
        return " N";
    case SC_CHOICE:
        return " NAME";
    default:
        return "";
    }
}

static bool takes_text(const sc_option *row)
{
    return row->type == SC_TEXT || row->type == SC_TIME || row->type == SC_SIZE || row->type == SC_HELP;
}

/* What the option is without being given. */
static double default_of(const sc_option *row)
{
    sc_options o;

    sc_options_default(&o);
    const void *m = sc_option_member(row, &o, &o.set.output[0]);
    return row->type == SC_REAL   ? *(const double *)m
           : row->type == SC_LONG ? (double)*(const int64_t *)m
                                  : *(const int *)m;
}

/* What the option does, what it takes and what it is without being given. */
static void describe(char *text, size_t size, const sc_option *row)
{
    char list[192];
    const size_t n = (size_t)snprintf(text, size, "%s", row->help);

    if (row->type == SC_INT || row->type == SC_REAL)
        snprintf(text + n, size - n, " (%s, %.10g to %.10g; default %.10g)", row->unit, row->min, row->max,
                 default_of(row));
    else if (row->type == SC_LONG)
        snprintf(text + n, size - n, " (%s; default %.10g)", row->unit, default_of(row));
    else if (row->type == SC_CHOICE) {
        sc_option_choices(row, list, sizeof list);
        snprintf(text + n, size - n, " (%s; default %s)", list, row->choice[(int)row->def]);
    } else if (row->type == SC_BOOL && default_of(row) > 0)
        snprintf(text + n, size - n, " (the default; --no-%s turns it off)", row->name + 2);
    else if (row->type == SC_TEXT && row->text)
        snprintf(text + n, size - n, " (default %s)", row->text);
}

static void help_row(FILE *f, const sc_option *row)
{
    char left[64], text[512];

    snprintf(left, sizeof left, "  %s%s%.*s%s%s%s", row->name, row->alias ? ", " : "",
             (int)strcspn(row->alias ? row->alias : "", " "), row->alias ? row->alias : "", placeholder(row),
             takes_text(row) ? " " : "", takes_text(row) ? row->unit : "");
    describe(text, sizeof text, row);
    fprintf(f, "%-28s", left);
    if (strlen(left) > 27)
        fprintf(f, "\n%28s", "");
    wrap(f, 28, text);
}

static const char *const synopsis[] = { "[options] INPUT [OUTPUT]",
                                        "[options] INPUT [output options] OUTPUT [output options] OUTPUT...",
                                        "[options] -o FOLDER INPUT..." };
static const char summary[] = "Turns a mono video into a stereo one.";
static const char outputs[] =
    "Of several outputs of one pass each has its --layout and other options before it.";
static const char exit_codes[] =
    "0 done, 1 failure, 2 usage, 3 the output exists, 4 more than --max-parallax, 5 some of several films "
    "failed, 6 disk full, 7 device, 8 weights, 9 input missing or unreadable, 10 input is not a video, 11 "
    "output "
    "cannot be written, 12 depth file does not fit, 130 interrupted, 141 standard output is no longer read, "
    "143 terminated";

static void help(FILE *f, bool full)
{
    for (int i = 0; i < SC_COUNT(synopsis); i++)
        fprintf(f, "stereocrafter %s\n", synopsis[i]);
    fprintf(f, "%s\n", summary);
    wrap(f, 0, outputs);
    for (int g = 0; sc_option_group[g]; g++) {
        fprintf(f, "\n%s\n", sc_option_group[g]);
        for (int i = 0; i < sc_option_count; i++)
            if (sc_option_table[i].group == g && (full || !sc_option_table[i].full))
                help_row(f, &sc_option_table[i]);
    }
    fprintf(f, "\nExit codes\n  ");
    wrap(f, 2, exit_codes);
    if (!full)
        fprintf(f, "\n--help full lists more: windows, steps, guidance, precision, seed.\n");
}

/* ---- the manual page */

/* As roff: a dash that is a dash, and no letter that would be a command. */
static void roff(FILE *f, const char *s)
{
    if (*s == '.' || *s == '\'')
        fputs("\\&", f);
    for (; *s; s++) {
        if (*s == '-' || *s == '\\')
            fputc('\\', f);
        fputs(*s == '\\' ? "e" : (const char[]){ *s, 0 }, f);
    }
}

static void man_row(FILE *f, const sc_option *row)
{
    char text[512];

    fputs(".TP\n.B ", f);
    roff(f, row->name);
    for (const char *a = row->alias; a && *a; a += strcspn(a, " "), a += *a == ' ') {
        char name[32];
        snprintf(name, sizeof name, ", %.*s", (int)strcspn(a, " "), a);
        roff(f, name);
    }
    if (takes_text(row) || *placeholder(row))
        fprintf(f, " \\fI%s\\fR", takes_text(row) ? row->unit : placeholder(row) + 1);
    fputc('\n', f);
    describe(text, sizeof text, row);
    roff(f, text);
    fputc('\n', f);
}

static void manual(FILE *f)
{
    fprintf(f, ".TH STEREOCRAFTER 1 \"\" \"stereocrafter %s\"\n.SH NAME\nstereocrafter \\- ", sc_version());
    fputs("turns a mono video into a stereo one\n.SH SYNOPSIS\n", f);
    for (int i = 0; i < SC_COUNT(synopsis); i++) {
        fputs(i ? ".br\n.B stereocrafter\n" : ".B stereocrafter\n", f);
        roff(f, synopsis[i]);
        fputc('\n', f);
    }
    fputs(".SH DESCRIPTION\n", f);
    roff(f, summary);
    fputc('\n', f);
    roff(f, outputs);
    fputs("\n.SH OPTIONS\n", f);
    for (int g = 0; sc_option_group[g]; g++) {
        fprintf(f, ".SS %s\n", sc_option_group[g]);
        for (int i = 0; i < sc_option_count; i++)
            if (sc_option_table[i].group == g)
                man_row(f, &sc_option_table[i]);
    }
    fputs(".SH EXIT STATUS\n", f);
    roff(f, exit_codes);
    fputs("\n.SH FILES\n.TP\n.I $XDG_DATA_HOME/stereocrafter/models\n(by default ", f);
    roff(
        f,
        "~/.local/share/stereocrafter/models) published network weights, as fetch_models.sh puts them there");
    fputs("\n.SH SEE ALSO\n.BR ffmpeg (1),\n.BR x264 (1)\n", f);
}

/* ---- completion by bash, and by zsh through its bashcompinit */

static void completion(FILE *f)
{
    fputs("_stereocrafter()\n{\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
          "    case $before in\n",
          f);
    for (int i = 0; i < sc_option_count; i++) {
        const sc_option *row = &sc_option_table[i];

        if (row->type != SC_CHOICE)
            continue;
        fputs("    ", f);
        fputs(row->name, f);
        for (const char *a = row->alias; a && *a; a += strcspn(a, " "), a += *a == ' ')
            fprintf(f, " | %.*s", (int)strcspn(a, " "), a);
        fputs(") COMPREPLY=($(compgen -W '", f);
        for (int k = 0; row->choice[k]; k++)
            fprintf(f, "%s%s", k ? " " : "", row->choice[k]);
        fputs("' -- \"$word\")); return ;;\n", f);
    }
    fputs("    esac\n    case $word in\n    -*) COMPREPLY=($(compgen -W '", f);
    for (int i = 0; i < sc_option_count; i++)
        fprintf(f, "%s%s", i ? " " : "", sc_option_table[i].name);
    fputs("' -- \"$word\")) ;;\n    *) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n    esac\n}\n"
          "complete -o filenames -F _stereocrafter stereocrafter\n",
          f);
}

void sc_options_help(FILE *f, int form)
{
    if (form == SC_HELP_MAN)
        manual(f);
    else if (form == SC_HELP_COMPLETION)
        completion(f);
    else
        help(f, form == SC_HELP_FULL);
}

/* Bare where that is clear, else in double quotes with backslashes. */
static void print_text(FILE *f, const char *s)
{
    if (!s)
        return;
    if (!s[strcspn(s, " \t\n\"\\#=")]) {
        fputs(s, f);
        return;
    }
    fputc('"', f);
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            fputc('\\', f);
        if (*s == '\n')
            fputs("\\n", f);
        else
            fputc(*s, f);
    }
    fputc('"', f);
}

static void print_row(FILE *f, const sc_option *row, const void *m)
{
    const int word =
        row->type == SC_TEXT || row->type == SC_REAL || row->type == SC_TIME ? 0 : *(const int *)m;

    fprintf(f, "%s = ", row->name + strspn(row->name, "-"));
    if (row->type == SC_SIZE) {
        const int64_t bytes = *(const int64_t *)m;
        if (bytes)
            fprintf(f, "%.15gM\n", (double)bytes / (1 << 20));
        else
            fputs("auto\n", f);
        return;
    }
    if (row->type == SC_TEXT)
        print_text(f, *(const char *const *)m);
    else if (row->type == SC_CHOICE)
        fputs(row->choice[word], f);
    else if (row->type == SC_BOOL)
        fputs(word ? "yes" : "no", f);
    else if (row->type == SC_SET)
        fputs(word == (int)row->def ? "yes" : "no", f);
    else if (row->type == SC_LONG)
        fprintf(f, "%lld", (long long)*(const int64_t *)m);
    else if (row->type == SC_INT)
        fprintf(f, "%d", word);
    else if (*(const double *)m >= row->min) /* else it is not given, or what --fidelity alone can say */
        fprintf(f, "%.15g", *(const double *)m);
    fputc('\n', f);
}

void sc_options_print(FILE *f, const sc_options *o)
{
    sc_options copy = *o;

    for (int i = 0; i < sc_option_count; i++) {
        const sc_option *row = &sc_option_table[i];
        if (!row->per_output && (row->offset == offsetof(sc_options, print_config) ||
                                 row->offset == offsetof(sc_options, config)))
            continue; /* --config takes what is printed: it would print again, and read what has been read */
        for (int k = 0; k < (row->per_output ? o->set.outputs : 1) && row->type != SC_HELP; k++)
            print_row(f, row, sc_option_member(row, &copy, &copy.set.output[k]));
    }
}
