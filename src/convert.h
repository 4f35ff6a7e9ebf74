/* Of the converter, what others of the library need. */
#ifndef SC_CONVERT_H
#define SC_CONVERT_H

#include "stages/gauge.h"
#include "stages/proof.h"
#include "video/reader.h"

/* As sc_open(), but behind the film come these ways to convert it, each as the gauge's last shots but one
 * frame long: proofs->ways of them. proofs is the caller's and must outlive the converter; NULL: none. */
int sc_open_proofs(sc_converter **c, const sc_settings *s, const sc_proofs *proofs);

/* The film, and the part of it that is asked for; the settings own the path. */
sc_reader_options sc_reading_of(const sc_settings *s);

/* What was found of the film's shots; the converter's. */
const sc_gauge *sc_gauge_of(const sc_converter *c);

#endif
