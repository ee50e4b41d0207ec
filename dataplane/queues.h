/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which worker has which of a port's queues. A port with a queue for each gives worker n its queue n, on both
 * sides, so that RSS brings both directions of a UE to one worker. A port with fewer queues gives them, on
 * the access side, to the first workers, and on the core side to the last: with one queue a port the two
 * ports are served by two workers, not both by the same.
 */
#ifndef BGF_DP_QUEUES_H
#define BGF_DP_QUEUES_H

#include <stdint.h>

#include "port.h"

enum { QUEUE_NONE = UINT16_MAX };

/* The queue of a worker among `queues` of a port on `side`, or QUEUE_NONE. Any thread. */
uint16_t queue_of(enum port_side side, uint16_t queues, uint16_t worker, uint16_t workers);

/* The queue that serves a worker: its own, or the one that it shares with the worker which has it. */
uint16_t queue_for(enum port_side side, uint16_t queues, uint16_t worker, uint16_t workers);

#endif
