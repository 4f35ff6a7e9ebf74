/* What options are without being given. */
#include "options_table.h"

void sc_option_reset(const sc_option *row, sc_options *o, sc_output *output)
{
    void *m = sc_option_member(row, o, output);

    switch (row->type) {
    case SC_INT:
    case SC_CHOICE:
    case SC_BOOL:
        *(int *)m = (int)row->def;
        break;
    case SC_LONG:
    case SC_SIZE:
        *(int64_t *)m = (int64_t)row->def;
        break;
    case SC_REAL:
    case SC_TIME:
        *(double *)m = row->def;
        break;
    case SC_TEXT:
        *(const char **)m = row->text;
        break;
    case SC_SET:
    case SC_HELP:
        break;
    }
}

void sc_options_default(sc_options *o)
{
    *o = (sc_options){ .set = { .log.level = SC_LOG_INFO, .outputs = 1 } };
    for (int i = 0; i < sc_option_count; i++)
        sc_option_reset(&sc_option_table[i], o, &o->set.output[0]);
    sc_settings_fidelity(&o->set, SC_FIDELITY_DEFAULT);
}

void sc_settings_default(sc_settings *s)
{
    sc_options o;
    sc_options_default(&o);
    *s = o.set;
}
