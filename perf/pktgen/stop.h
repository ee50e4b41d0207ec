/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Ctrl-C and SIGTERM: whoever works asks now and then, and what was installed is still released.
 */
#ifndef PKTGEN_STOP_H
#define PKTGEN_STOP_H

#include <stdbool.h>

void stop_catch(void);
bool stop_asked(void);

#endif
