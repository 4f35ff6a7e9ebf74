/* VR180: a flat picture on the inside of half a sphere around the viewer, as the equirectangular projection
 * of its 180 x 180 degrees: column j of n looks (j + 1/2) / n * 180 - 90 degrees to the right, rows likewise
 * down. */
#ifndef SC_SPHERE_H
#define SC_SPHERE_H

#include "stages.h"

/* Side n of one eye: in its middle the picture has the size that it has in the source, up to what decoders
 * take. fov: degrees that the picture's width covers, 0 = SC_SPHERE_FOV. */
int sc_sphere_size(const sc_video_info *v, double fov);

enum { SC_SPHERE_FOV = 90 };

typedef struct sc_sphere sc_sphere;
/* v: c's, of the picture's size. */
int sc_sphere_open(sc_sphere **s, const sc_context *c, const sc_video_info *v, double fov);
void sc_sphere_close(sc_sphere **s); /* *s may be NULL */

/* A picture [H,W,3] as [n,n,3], strided; black where the picture does not reach. */
sc_tensor sc_sphere_project(sc_exec *x, const sc_sphere *s, sc_tensor picture);

#endif
