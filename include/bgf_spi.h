/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How the gateway's own SPIs are laid out (rules 4 and 5), so that an SPI finds its SA with a shift and a
 * load:
 *
 *     31        23 22                     1   0
 *     | generation |        slot          |which|
 *
 * A generation is never 0, so that every SPI is above 255; it steps each time the slot is used again, so that
 * a stale SPI of an earlier user is an unknown one.
 */
#ifndef BGF_SPI_H
#define BGF_SPI_H

#include <stdint.h>

enum {
	BGF_SPI_SLOT_BITS = 22,
	BGF_SPI_GENERATION_BITS = 9,
	BGF_SPI_SLOTS = 1 << BGF_SPI_SLOT_BITS,
	BGF_SPI_GENERATION_MAX = (1 << BGF_SPI_GENERATION_BITS) - 1,
};

/* Which of a set's two inbound SAs (rule 1). */
enum bgf_spi_which { BGF_SPI_PS = 0 /* inbound server */, BGF_SPI_PC = 1 /* inbound client */ };

/* slot below BGF_SPI_SLOTS, generation 1 to BGF_SPI_GENERATION_MAX. Host byte order. */
static inline uint32_t bgf_spi_make(uint32_t generation, uint32_t slot, enum bgf_spi_which which)
{
	return generation << (BGF_SPI_SLOT_BITS + 1) | slot << 1 | (uint32_t)which;
}

static inline uint32_t bgf_spi_slot(uint32_t spi)
{
	return spi >> 1 & (BGF_SPI_SLOTS - 1);
}

static inline uint32_t bgf_spi_generation(uint32_t spi)
{
	return spi >> (BGF_SPI_SLOT_BITS + 1);
}

static inline enum bgf_spi_which bgf_spi_which(uint32_t spi)
{
	return (enum bgf_spi_which)(spi & 1);
}

/* The generation that follows, 1 after the last. */
static inline uint32_t bgf_spi_generation_next(uint32_t generation)
{
	return generation % BGF_SPI_GENERATION_MAX + 1;
}

#endif
