/* SPDX-License-Identifier: BSD-3-Clause */
#include "queues.h"

/* A worker's place in the row in which queues are given out; and the worker at a place. */
static uint16_t place_of(enum port_side side, uint16_t queues, uint16_t worker, uint16_t workers)
{
	return side == PORT_CORE && queues < workers ? (uint16_t)(workers - 1 - worker) : worker;
}

uint16_t queue_for(enum port_side side, uint16_t queues, uint16_t worker, uint16_t workers)
{
	return place_of(side, queues, worker, workers) % queues;
}

uint16_t queue_of(enum port_side side, uint16_t queues, uint16_t worker, uint16_t workers)
{
	const uint16_t place = place_of(side, queues, worker, workers);

	return place < queues ? place : QUEUE_NONE;
}
