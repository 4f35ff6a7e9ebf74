#include <stereocrafter/stereocrafter.h>

static_assert(SC_ERR_USAGE < 0, "codes are negative in C++ too");

extern "C" const char *header_in_cxx();
const char *header_in_cxx()
{
    return sc_version();
}
