/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Who sent ESP with an SPI that no live SA has: a phone with SAs that are gone here, or an attacker. The
 * worker notes each source once, in a table of fixed size; the main lcore takes the notes now and then. What
 * finds its place taken is only counted, as every drop is: a flood costs a few reads a packet and hides
 * others, and no more.
 */
#ifndef BGF_DP_STRAY_H
#define BGF_DP_STRAY_H

#include <stdbool.h>
#include <stdint.h>

struct strays;

enum { STRAYS = 256 /* sources that one worker notes between two looks of the main lcore */ };

struct stray {
	uint8_t source[16], served[16]; /* the packet's addresses; of IPv4 the first four octets */
	uint32_t spi;			/* of its first packet; host order */
	uint32_t count;			/* of its packets */
	bool ipv6;
};

/* `secret` decides a source's place, so that nobody chooses one on purpose. NULL when memory is short. Main
 * lcore. */
struct strays *strays_new(uint64_t secret, int socket);
void strays_free(struct strays *s);

/* Notes the source of a packet, of which `ip` is the header. The worker that owns the table. */
void stray_note(struct strays *s, const uint8_t *ip, bool ipv6, uint32_t spi);

/* Hands the notes to `tell` and forgets those that it took (true); stops at the first that it did not, which
 * is the first of the next time. Main lcore, while the worker runs. */
void strays_take(struct strays *s, bool (*tell)(void *context, const struct stray *stray), void *context);

#endif
