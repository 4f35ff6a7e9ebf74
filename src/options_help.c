/* What the table of options says of itself: --help and --print-config. */
#include <string.h>

#include "options_table.h"

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

static void help_row(FILE *f, const sc_option *row)
{
    char left[64], text[512], list[192];
    size_t n;

    snprintf(left, sizeof left, "  %s%s%.*s%s%s%s", row->name, row->alias ? ", " : "",
             (int)strcspn(row->alias ? row->alias : "", " "), row->alias ? row->alias : "", placeholder(row),
             row->type == SC_TEXT || row->type == SC_TIME || row->type == SC_HELP ? " " : "",
             row->type == SC_TEXT || row->type == SC_TIME || row->type == SC_HELP ? row->unit : "");
    n = (size_t)snprintf(text, sizeof text, "%s", row->help);
    if (row->type == SC_INT || row->type == SC_REAL)
        snprintf(text + n, sizeof text - n, " (%s, %.10g to %.10g; default %.10g)", row->unit, row->min,
                 row->max, row->def);
    else if (row->type == SC_LONG)
        snprintf(text + n, sizeof text - n, " (%s; default %.10g)", row->unit, row->def);
    else if (row->type == SC_CHOICE) {
        sc_option_choices(row, list, sizeof list);
        snprintf(text + n, sizeof text - n, " (%s; default %s)", list, row->choice[(int)row->def]);
    } else if (row->type == SC_BOOL && row->def > 0)
        snprintf(text + n, sizeof text - n, " (the default; --no-%s turns it off)", row->name + 2);
    else if (row->type == SC_TEXT && row->text)
        snprintf(text + n, sizeof text - n, " (default %s)", row->text);
    fprintf(f, "%-28s", left);
    if (strlen(left) > 27)
        fprintf(f, "\n%28s", "");
    wrap(f, 28, text);
}

void sc_options_help(FILE *f, bool full)
{
    fprintf(f,
            "stereocrafter [options] INPUT [OUTPUT]\n"
            "stereocrafter [options] INPUT [output options] OUTPUT [output options] OUTPUT...\n"
            "stereocrafter [options] -o FOLDER INPUT...\n"
            "Turns a mono video into a stereo one. Of several outputs of one pass each has its --layout and\n"
            "other options before it.\n");
    for (int g = 0; sc_option_group[g]; g++) {
        fprintf(f, "\n%s\n", sc_option_group[g]);
        for (int i = 0; i < sc_option_count; i++)
            if (sc_option_table[i].group == g && (full || !sc_option_table[i].full))
                help_row(f, &sc_option_table[i]);
    }
    fprintf(f, "\nExit codes\n"
               "  0 done, 1 failure, 2 usage, 3 the output exists, 5 some of several films failed,\n"
               "  6 disk full, 7 device, 8 weights, 9 input missing or unreadable,\n"
               "  10 input is not a video, 11 output cannot be written, 12 depth file does not fit,\n"
               "  130 interrupted, 143 terminated\n");
    if (!full)
        fprintf(f, "\n--help full lists more: windows, steps, guidance, precision, seed.\n");
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
    else if (*(const double *)m >= 0 || row->type == SC_REAL)
        fprintf(f, "%.15g", *(const double *)m);
    fputc('\n', f);
}

void sc_options_print(FILE *f, const sc_options *o)
{
    sc_options copy = *o;

    for (int i = 0; i < sc_option_count; i++) {
        const sc_option *row = &sc_option_table[i];
        for (int k = 0; k < (row->per_output ? o->set.outputs : 1) && row->type != SC_HELP; k++)
            print_row(f, row, sc_option_member(row, &copy, &copy.set.output[k]));
    }
}
