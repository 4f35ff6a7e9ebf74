/* The option table: every row's default, range and message; times; names of outputs; what --print-config
 * says. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/options_table.h"

#define MAX_ARGS 24

static sc_options o;
static char error[512];

/* Parses "a b c"; words may not hold spaces. */
static int parse(const char *line)
{
    static char words[1024];
    char *argv[MAX_ARGS] = { "stereocrafter" };
    int argc = 1;
    snprintf(words, sizeof words, "%s", line);
    for (char *w = strtok(words, " "); w; w = strtok(NULL, " ")) {
        assert_true(argc < MAX_ARGS);
        argv[argc++] = w;
    }
    error[0] = 0;
    sc_options_default(&o);
    return sc_options_parse(&o, argc, argv, error, sizeof error);
}

static void expect_error(const char *line, const char *message)
{
    assert_int_equal(parse(line), SC_ERR_USAGE);
    assert_string_equal(error, message);
}

static void defaults(void **state)
{
    sc_settings s;
    (void)state;
    sc_settings_default(&s);
    assert_true(s.max_disparity == 2.5 && s.convergence == 0.45 && s.output[0].crf == -1 &&
                s.inpaint_guidance == 1.01);
    assert_int_equal(s.inpaint_window, 23);
    assert_int_equal(s.depth_window, 110);
    assert_int_equal(s.match, 1);
    assert_int_equal(s.outputs, 1);
    assert_int_equal(s.output[0].layout, SC_LAYOUT_SBS);
    assert_string_equal(s.device, "auto");
    assert_true(s.end < 0 && s.duration < 0 && s.start == 0);
    assert_int_equal(s.log.level, SC_LOG_INFO);
    /* Every default lies in its own range, and names are unique. */
    sc_options_default(&o);
    for (int i = 0; i < sc_option_count; i++) {
        const sc_option *r = &sc_option_table[i];
        if (r->type <= SC_REAL) {
            const void *m = sc_option_member(r, &o, &o.set.output[0]);
            const double v = r->type == SC_REAL   ? *(const double *)m
                             : r->type == SC_LONG ? (double)*(const int64_t *)m
                                                  : *(const int *)m;
            assert_true(v >= r->min && v <= r->max && (!r->step || !((int)v % r->step)));
        }
        assert_non_null(r->help);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(r->name, sc_option_table[k].name);
    }
}

static void values(void **state)
{
    (void)state;
    assert_int_equal(
        parse("-i in.mkv --layout htab --max-disparity 3.25 -crf 21.5 --seed 8999999999999999 -y "
              "--no-match out.mkv"),
        0);
    assert_string_equal(o.set.input, "in.mkv");
    assert_string_equal(o.set.output[0].path, "out.mkv");
    assert_int_equal(o.set.output[0].layout, SC_LAYOUT_HTAB);
    assert_true(o.set.max_disparity == 3.25 && o.set.output[0].crf == 21.5);
    assert_true(o.set.seed == INT64_C(8999999999999999));
    assert_int_equal(o.set.overwrite, SC_OVERWRITE_YES);
    assert_int_equal(o.set.match, 0);
    assert_int_equal(parse("in.mp4 --convergence=0.1 -c:v ffv1 -codec:a aac -threads 2 out.mkv -n"), 0);
    assert_true(o.set.convergence == 0.1);
    assert_string_equal(o.set.output[0].codec_video, "ffv1");
    assert_string_equal(o.set.output[0].codec_audio, "aac");
    assert_int_equal(o.set.threads, 2);
    assert_int_equal(o.set.overwrite, SC_OVERWRITE_NEVER);
    assert_int_equal(parse("-- -odd.mp4 --odder.mkv"), 0);
    assert_string_equal(o.set.input, "-odd.mp4");
    assert_string_equal(o.set.output[0].path, "--odder.mkv");
    assert_int_equal(parse("- - -f nut"), 0);
    assert_string_equal(o.set.input, "-");
    assert_string_equal(o.set.output[0].path, "-");
    assert_int_equal(o.set.output[0].format, SC_FORMAT_NUT);
    assert_int_equal(parse("-h"), 0);
    assert_int_equal(o.help, SC_HELP_SHORT);
    assert_int_equal(parse("--help full"), 0);
    assert_int_equal(o.help, SC_HELP_FULL);
    assert_int_equal(parse("a b --progress json --log-level debug --dry-run"), 0);
    assert_true(o.progress == SC_PROGRESS_JSON && o.log_level == SC_LOG_DEBUG && o.set.dry_run);
}

static void pairs(void **state)
{
    (void)state;
    assert_int_equal(parse("--score left right"), 0);
    assert_true(o.inputs == 1 && o.set.output[0].format == SC_FORMAT_NULL);
    assert_string_equal(o.set.input, "left");
    assert_string_equal(o.set.truth, "right");
    assert_null(o.set.made);
    assert_int_equal(parse("left right made --score"), 0);
    assert_string_equal(o.set.made, "made");
    assert_int_equal(parse("both --score"), 0);
    assert_null(o.set.truth);
    expect_error("--score a b c d", "--score: \"d\" is one film too many: LEFT RIGHT [MADE]");
    expect_error("--score a b --cache", "--score converts nothing: --cache does not go with it");
    expect_error("--score -", "--score: standard input can be the left eye alone");
    expect_error("--score -i a b", "unexpected \"b\": --score takes its films without -i");
}

/* Writes a file of options and parses a line after "--config FILE". */
static int configured(const char *text, const char *line)
{
    char words[256];
    FILE *f = fopen("unit_options.txt", "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0 && !fclose(f));
    snprintf(words, sizeof words, "%s --config unit_options.txt", line);
    const int ret = parse(words);
    remove("unit_options.txt");
    return ret;
}

static void print_options(char *text, size_t size)
{
    FILE *f = tmpfile();

    assert_non_null(f);
    sc_options_print(f, &o);
    rewind(f);
    text[fread(text, 1, size - 1, f)] = 0;
    fclose(f);
}

static void configs(void **state)
{
    static const struct {
        const char *text, *message;
    } wrong[] = {
        { "\nlayout = 3d\n",
          "unit_options.txt:2: --layout: \"3d\" is not one of sbs, hsbs, tab, htab, cross, left, "
          "right, sequential, interlaced, dubois, redcyan, halfcolor, wimmer, gray, rgbd, vr180" },
        { "crf", "unit_options.txt:1: \"name = value\" expected, not crf" },
        { "max-disparty = 1", "unit_options.txt:1: unknown option max-disparty" },
        { "output = a", "unit_options.txt:1: only the command line can have --output" },
        { "config = a", "unit_options.txt:1: only the command line can have --config" },
        { "match = 1", "unit_options.txt:1: yes or no expected for --match" },
    };
    (void)state;
    assert_int_equal(
        configured("# mine\nlayout = hsbs\n\n-crf=20\r\nmatch = no\ny = yes\nmax-disparity = 1.5\n"
                   "models = \" a \\\"b\"\nfidelity = reference\nto =\n",
                   "a b --max-disparity 3"),
        0);
    assert_int_equal(o.set.output[0].layout, SC_LAYOUT_HSBS);
    assert_true(o.set.output[0].crf == 20 && !o.set.match && o.set.overwrite == SC_OVERWRITE_YES);
    assert_true(o.set.max_disparity == 3); /* the command line counts more */
    assert_string_equal(o.set.models, " a \"b");
    assert_true(o.set.fidelity == SC_FIDELITY_REFERENCE && o.set.depth_window == 70 && o.set.end < 0);
    /* Of every output. */
    assert_int_equal(configured("layout = tab\ncrf = 20\n", "a --layout sbs b -preset slow c"), 0);
    assert_true(o.set.outputs == 2 && o.set.output[0].layout == SC_LAYOUT_SBS && o.set.output[0].crf == 20);
    assert_true(o.set.output[1].layout == SC_LAYOUT_TAB && o.set.output[1].crf == 20);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(configured(wrong[i].text, "a b"), SC_ERR_USAGE);
        assert_string_equal(error, wrong[i].message);
    }
    expect_error("a b --config missing.txt", "--config: missing.txt cannot be read");
    assert_int_equal(configured("to = 1\n", "a b -t 1"), SC_ERR_USAGE); /* checked together */
    /* What is printed is read back: it prints the same. */
    static char printed[2][8192];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            parse(i ? "--print-config --fidelity reference -ss 1.5 -n --no-match" : "--print-config"), 0);
        print_options(printed[0], sizeof printed[0]);
        assert_int_equal(configured(printed[0], "--print-config"), 0);
        print_options(printed[1], sizeof printed[1]);
        assert_string_equal(printed[0], printed[1]);
    }
}

static void mistakes(void **state)
{
    (void)state;
    expect_error("a b --max-disparity abc",
                 "--max-disparity: \"abc\" is not a number between 0 and 10 (percent of width)");
    expect_error("a b --max-disparity 10.1",
                 "--max-disparity: \"10.1\" is not a number between 0 and 10 (percent of width)");
    expect_error("a b --max-disparity 2,5",
                 "--max-disparity: \"2,5\" is not a number between 0 and 10 (percent of width)");
    expect_error("a b --depth-steps 2.5",
                 "--depth-steps: \"2.5\" is not a whole number between 1 and 100 (steps)");
    expect_error("a b --inpaint-tile 1000", "--inpaint-tile: \"1000\" is not a multiple of 64 (pixels)");
    expect_error("a b --layout 3d",
                 "--layout: \"3d\" is not one of sbs, hsbs, tab, htab, cross, left, right, "
                 "sequential, interlaced, dubois, redcyan, halfcolor, wimmer, gray, rgbd, vr180");
    assert_int_equal(parse("a b --layout mvhevc"), SC_ERR_USAGE);
    assert_non_null(strstr(error, "\"mvhevc\" needs an encoder of two views"));
    expect_error("a b --stereo-tags no", "--stereo-tags: \"no\" is not one of off, on");
    expect_error("a b -ss soon", "-ss: \"soon\" is not a time (seconds, h:m:s.ms or 1500ms)");
    expect_error("a b --max-disparty 2", "unknown option --max-disparty: did you mean --max-disparity?");
    expect_error("a b -layout sbs", "unknown option -layout: did you mean --layout?");
    assert_int_equal(parse("film.mp4 -f mpegts"), 0); /* the name tells what is in it */
    assert_string_equal(o.set.output[0].path, "film_LRF_Full_SBS.ts");
    expect_error("-", "standard input has no name to make one of: name the output too");
    expect_error("a b --max-parallax 1", "--max-parallax: for whom? --viewer says it");
    expect_error("- b --depth -", "--depth: standard input is the film already");
    expect_error("a - -f raw", "-f: \"raw\" is not one of auto, null, nut, matroska, mpegts, yuv4mpegpipe");
    expect_error("a b --xyzzy", "unknown option --xyzzy (--help lists them)");
    expect_error("a b --layout", "--layout: a value is missing");
    expect_error("a b --layout -y", "--layout: a value is missing");
    expect_error("a b --models=", "--models: is empty");
    expect_error("a b -y=1", "unknown option -y=1 (--help lists them)");
    expect_error("a b --dry-run=1", "--dry-run: takes no value");
    expect_error("a b c",
                 "unexpected \"c\" after a and b (many films: name the folder for the results with -o; "
                 "a second output: give its --layout before it)");
    expect_error("-i a -o b c", "unexpected \"c\": input and output are given");
    expect_error(
        "a --crf=1 1 --crf=1 2 --crf=1 3 --crf=1 4 --crf=1 5 --crf=1 6 --crf=1 7 --crf=1 8 --crf=1 9",
        "\"9\": more than 8 outputs");
    expect_error("a b -crf 2 c -crf 3",
                 "-crf: stands after the last output; of several, each has its options before it");
    expect_error("-y", "an input is missing: stereocrafter [options] INPUT [OUTPUT]");
    expect_error("a b -t 1 -to 2", "-to and -t exclude each other");
    expect_error("a b -ss 2 -to 1.5", "-to: 1.5 s is not after -ss, 2 s");
    expect_error("a b -t 0", "-t: nothing would be converted");
    expect_error("a b --depth-window 10", "--depth-overlap: 25 is not less than --depth-window, 10");
    expect_error("a b --inpaint-overlap 23", "--inpaint-overlap: 23 is not less than --inpaint-window, 23");
}

/* What is given goes before what a fidelity stands for, in any order. */
static void fidelity(void **state)
{
    (void)state;
    assert_int_equal(parse("a b --fidelity reference"), 0);
    assert_true(o.set.fidelity == SC_FIDELITY_REFERENCE && o.set.depth_steps == 8 &&
                o.set.depth_guidance == 1.2 && o.set.depth_window == 70 && o.set.convergence == 0.5 &&
                o.set.max_disparity == -40 && o.set.depth_range == SC_RANGE_FILM && !o.set.match);
    assert_int_equal(parse("a b --depth-steps 3 --match --fidelity=reference --max-disparity 2"), 0);
    assert_true(o.set.fidelity == SC_FIDELITY_REFERENCE && o.set.depth_steps == 3 && o.set.match == 1 &&
                o.set.max_disparity == 2 && o.set.depth_guidance == 1.2);
    assert_int_equal(parse("a b --fidelity fast"), 0);
    assert_true(o.set.inpaint_guidance == 1 && o.set.depth_steps == 5 && o.set.max_disparity == 2.5);
    assert_int_equal(parse("a b --fidelity reference --fidelity default"), 0);
    assert_true(o.set.fidelity == SC_FIDELITY_DEFAULT && o.set.depth_steps == 5);
    expect_error("a b --fidelity best", "--fidelity: \"best\" is not one of default, reference, fast");
    expect_error("a b --fidelity", "--fidelity: a value is missing");
}

/* Both ends of every numeric row are taken, and a step beyond them is not. */
static void ranges(void **state)
{
    char line[256];
    (void)state;
    for (int i = 0; i < sc_option_count; i++) {
        const sc_option *r = &sc_option_table[i];
        const double step = r->type == SC_REAL ? 1e-3 : SC_MAX(r->step, 1);
        if (r->type > SC_REAL)
            continue;
        for (int k = 0; k < 4; k++) {
            const double v = k < 2 ? (k ? r->max : r->min) : (k == 3 ? r->max + step : r->min - step);
            /* Windows and overlaps also limit each other, and a limit needs its viewer. */
            snprintf(line, sizeof line,
                     "a b --viewer tv65@2.5m --depth-window 1000 --inpaint-window 1000 %s %.17g", r->name, v);
            const int ret = parse(line);
            if (strstr(r->name, "-window") && v == r->min)
                continue;
            if (ret != (k < 2 ? 0 : SC_ERR_USAGE))
                fail_msg("%s: %d, %s", line, ret, error);
        }
    }
}

static void times(void **state)
{
    static const struct {
        const char *text;
        double seconds; /* negative: not a time */
    } cases[] = {
        { "0", 0 },        { "12.5", 12.5 },      { "1:02", 62 }, { "1:02:03.25", 3723.25 },
        { "1500ms", 1.5 }, { "100:00:00", 36e4 }, { "90", 90 },   { "1:60", -1 },
        { "1:2:3:4", -1 }, { "-1", -1 },          { ":5", -1 },   { "5:", -1 },
        { "1.5:00", -1 },  { "ms", -1 },          { "", -1 },     { "1e400", -1 },
        { "inf", -1 },     { "nan", -1 },         { "0x10", -1 }, { "1:-5", -1 },
        { "1:30ms", -1 },  { "2e9", -1 },
    };
    (void)state;
    for (int i = 0; i < SC_COUNT(cases); i++) {
        char *argv[] = { "", "a", "b", "-ss", (char *)cases[i].text };
        sc_options_default(&o);
        const int ret = sc_options_parse(&o, 5, argv, error, sizeof error);
        if (cases[i].seconds < 0 ? ret != SC_ERR_USAGE : ret || o.set.start != cases[i].seconds)
            fail_msg("-ss \"%s\": %d, %.17g, %s", cases[i].text, ret, o.set.start, error);
    }
}

static void sizes(void **state)
{
    static const struct {
        const char *text;
        int64_t bytes; /* negative: not a size */
    } cases[] = {
        { "auto", 0 },
        { "0", 0 },
        { "8G", (int64_t)8 << 30 },
        { "7.5G", (int64_t)7680 << 20 },
        { "512M", 512 << 20 },
        { "8", -1 },
        { "G", -1 },
        { "8g", -1 },
        { "-8G", -1 },
        { "8GB", -1 },
        { "", -1 },
        { "1e9G", -1 },
        { "infG", -1 },
        { "8 G", -1 },
    };
    (void)state;
    for (int i = 0; i < SC_COUNT(cases); i++) {
        char *argv[] = { "", "a", "b", "--vram", (char *)cases[i].text };
        sc_options_default(&o);
        const int ret = sc_options_parse(&o, 5, argv, error, sizeof error);
        if (cases[i].bytes < 0 ? ret != SC_ERR_USAGE : ret || o.set.vram != cases[i].bytes)
            fail_msg("--vram \"%s\": %d, %lld, %s", cases[i].text, ret, (long long)o.set.vram, error);
    }
    expect_error("a b --vram 8", "--vram: \"8\" is not a size (8G, 512M or auto)");
}

static void decimals(void **state)
{
    (void)state;
    for (int i = 0; i <= 10000; i++) {
        char line[64];
        snprintf(line, sizeof line, "a b --convergence %d.%04d", i / 10000, i % 10000);
        assert_int_equal(parse(line), 0);
        assert_true(o.set.convergence == strtod(line + 18, NULL));
    }
    /* A locale with a decimal comma changes nothing. */
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") || setlocale(LC_NUMERIC, "fr_FR.UTF-8")) {
        assert_int_equal(parse("a b --convergence 0.25"), 0);
        assert_true(o.set.convergence == 0.25);
        setlocale(LC_NUMERIC, "C");
    }
}

static void outputs(void **state)
{
    static const char *const cases[][2] = {
        { "film.mp4", "film_LRF_Full_SBS.mp4" },
        { "/a.b/film.mkv", "/a.b/film_LRF_Full_SBS.mkv" },
        { "/a.b/film", "/a.b/film_LRF_Full_SBS.mkv" },
        { "film.webm --layout hsbs", "film_LR.mkv" },
        { "film.avi --layout tab", "film_TBF_fulltb.mkv" },
        { "film.mov --layout htab", "film_TB.mov" },
        { "dir/what?:now.mp4 --layout cross", "dir/what__now_RLF_cross.mp4" },
        { ".hidden --layout dubois", ".hidden_redcyan_dubois.mkv" },
        { "../x.mp4 --layout rgbd", "../x_RGBD.mp4" },
        { "x.mkv --layout vr180", "x_180x180_LR.mkv" },
        { "x.mkv --layout gray", "x_redcyan_gray.mkv" },
        { "x.mkv --naming plex", "x.3D.FSBS.mkv" },
        { "x.mkv --naming plex --layout htab", "x.3D.HTAB.mkv" },
        { "x.mkv --naming plex --layout vr180", "x_180x180_LR.mkv" },
        { "x.webm --naming none", "x.mkv" },
    };
    (void)state;
    for (int i = 0; i < SC_COUNT(cases); i++) {
        assert_int_equal(parse(cases[i][0]), 0);
        assert_string_equal(o.set.output[0].path, cases[i][1]);
    }
    expect_error("x.mkv --naming none", "--naming none: \"x.mkv\" would be the input itself, name an output");
    expect_error("folder/", "\"folder/\" is not a file: name an output too");
}

static void several_inputs(void **state)
{
    (void)state;
    assert_int_equal(parse("a b c -o out --recursive"), 0);
    assert_int_equal(o.inputs, 3);
    assert_string_equal(o.input[2], "c");
    assert_string_equal(o.set.input, "a");
    assert_string_equal(o.set.output[0].path, "out");
    assert_int_equal(o.recursive, 1);
    assert_int_equal(parse("-i a b"), 0);
    assert_int_equal(o.inputs, 1);
    assert_string_equal(o.input[0], "a");
    assert_string_equal(o.set.output[0].path, "b");
    o.set.input = "/x/y.avi";
    assert_int_equal(sc_options_name_output(&o, 0, "out/sub", error, sizeof error), 0);
    assert_string_equal(o.set.output[0].path, "out/sub/y_LRF_Full_SBS.mkv");
    assert_int_equal(sc_options_name_output(&o, 0, "out:/", error, sizeof error), 0);
    assert_string_equal(o.set.output[0].path, "out:/y_LRF_Full_SBS.mkv"); /* a folder keeps its name */
}

/* Each output has the options before it; an only one also those after it. */
static void several_outputs(void **state)
{
    const sc_output *out = o.set.output;
    (void)state;
    assert_int_equal(
        parse("-crf 30 film.mkv --layout tab a.mkv --layout dubois -c:v ffv1 b.mkv -preset fast c.mkv"), 0);
    assert_int_equal(o.set.outputs, 3);
    assert_string_equal(o.set.input, "film.mkv");
    assert_string_equal(out[0].path, "a.mkv");
    assert_true(out[0].layout == SC_LAYOUT_TAB && out[0].crf == 30 && !out[0].codec_video);
    assert_string_equal(out[1].path, "b.mkv");
    assert_true(out[1].layout == SC_LAYOUT_DUBOIS && out[1].crf == -1 && out[1].codec_video);
    assert_string_equal(out[2].path, "c.mkv");
    assert_true(out[2].layout == SC_LAYOUT_SBS && out[2].crf == -1 && !out[2].codec_video);
    assert_int_equal(parse("-o a.mkv film.mkv --layout tab -y"), 0);
    assert_true(o.set.outputs == 1 && out[0].layout == SC_LAYOUT_TAB && o.set.overwrite == SC_OVERWRITE_YES);
    assert_string_equal(out[0].path, "a.mkv");
    assert_int_equal(parse("film.mkv --layout tab -o a.mkv -o b.mkv"), 0);
    assert_true(out[0].layout == SC_LAYOUT_TAB && out[1].layout == SC_LAYOUT_SBS && o.set.outputs == 2);
    assert_int_equal(parse("-i film.mkv a.mkv --layout tab -y b.mkv"), 0);
    assert_true(out[0].layout == SC_LAYOUT_SBS && out[1].layout == SC_LAYOUT_TAB && o.set.outputs == 2);
}

/* Every option's value, back through the parser, gives the same settings. */
static void printing(void **state)
{
    char text[8192], value[256], line[512];
    (void)state;
    assert_int_equal(parse("a.mp4 b.mp4 --layout rgbd --max-disparity 1.1 -ss 0.125 --no-match --seed 7"), 0);
    sc_options was = o;
    o.set.models = "a \"b\\c";
    print_options(text, sizeof text);
    assert_non_null(strstr(text, "\nmodels = \"a \\\"b\\\\c\"\n"));
    assert_non_null(strstr(text, "\nmatch = no\n"));
    assert_non_null(strstr(text, "\nprecision = \n"));
    int seen = 0;
    for (int i = 0; i < sc_option_count; i++) {
        const sc_option *r = &sc_option_table[i];
        if (r->type > SC_CHOICE || r->type == SC_TEXT)
            continue;
        snprintf(line, sizeof line, "\n%s = ", r->name + strspn(r->name, "-"));
        const char *at = strstr(text, line);
        assert_non_null(at);
        snprintf(value, sizeof value, "%.*s", (int)strcspn(at + strlen(line), "\n"), at + strlen(line));
        if (!*value)
            continue;
        snprintf(line, sizeof line, "a.mp4 b.mp4 %s %s", r->name, value);
        assert_int_equal(parse(line), 0);
        const size_t size = r->type == SC_INT || r->type == SC_CHOICE ? sizeof(int) : 8;
        if (r->per_output || r->offset < sizeof(sc_settings))
            assert_memory_equal(sc_option_member(r, &o, &o.set.output[0]),
                                sc_option_member(r, &was, &was.set.output[0]), size);
        seen++;
    }
    assert_true(seen > 15);
}

static void help(void **state)
{
    static char text[32768];
    (void)state;
    FILE *f = tmpfile();
    assert_non_null(f);
    sc_options_help(f, SC_HELP_FULL);
    rewind(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    for (int i = 0; i < sc_option_count; i++)
        assert_non_null(strstr(text, sc_option_table[i].name));
    assert_non_null(strstr(text, "half a degree"));
    assert_non_null(strstr(text, "143 terminated"));
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        assert_true(strlen(line) <= 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),        cmocka_unit_test(values),   cmocka_unit_test(pairs),
        cmocka_unit_test(configs),         cmocka_unit_test(mistakes), cmocka_unit_test(fidelity),
        cmocka_unit_test(ranges),          cmocka_unit_test(times),    cmocka_unit_test(sizes),
        cmocka_unit_test(decimals),        cmocka_unit_test(outputs),  cmocka_unit_test(several_inputs),
        cmocka_unit_test(several_outputs), cmocka_unit_test(printing), cmocka_unit_test(help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
