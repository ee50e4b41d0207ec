/* SPDX-License-Identifier: BSD-3-Clause */
#include "fleet.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

enum {
	FIRST_UE_PORT = 20000,
	UE_PORT_PAIRS = 20000,
	FIRST_UE_SPI = 0x10000000, /* both SPIs of a phone lie side by side from here */
};

static void *lines(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	madvise(memory, size, MADV_HUGEPAGE); /* best effort: without, the same with more TLB misses */
	madvise(memory, size, MADV_DONTDUMP);
	return memory;
}

int fleet_new(const struct fleet_plan *plan, struct fleet *ret)
{
	struct fleet f = {.plan = *plan};

	if (getrandom(f.seed, sizeof(f.seed), 0) != sizeof(f.seed))
		return -errno;
	f.phone = lines(plan->count * sizeof(*f.phone));
	f.receipt = lines(plan->count * sizeof(*f.receipt));
	*ret = f;
	if (f.phone != NULL && f.receipt != NULL)
		return 0;
	fleet_free(ret);
	return -ENOMEM;
}

void fleet_free(struct fleet *f)
{
	if (f->phone != NULL) {
		explicit_bzero(f->phone, f->plan.count * sizeof(*f->phone));
		munmap(f->phone, f->plan.count * sizeof(*f->phone));
	}
	if (f->receipt != NULL)
		munmap(f->receipt, f->plan.count * sizeof(*f->receipt));
	explicit_bzero(f, sizeof(*f));
}

void fleet_key(struct fleet *f, uint32_t number, uint8_t ret_ik[FLEET_IK])
{
	uint8_t block[64] = {0}, drawn[HMAC_STATE], key[HMAC_KEY] = {0};

	memcpy(block, f->seed, sizeof(f->seed));
	memcpy(block + sizeof(f->seed), &number, sizeof(number));
	hmac_sha1_block(block, drawn);
	memcpy(ret_ik, drawn, FLEET_IK);
	memcpy(key, drawn, FLEET_IK); /* TS 33.203 Annex I: IK and 32 zero bits */
	hmac_expand(key, &f->phone[number].key);
	explicit_bzero(block, sizeof(block));
	explicit_bzero(drawn, sizeof(drawn));
	explicit_bzero(key, sizeof(key));
}

bool fleet_is_ipv6(const struct fleet_plan *p, uint32_t number)
{
	return number % 100 < p->ipv6_percent;
}

static uint32_t low_word(const struct bgf_addr *a)
{
	uint32_t word;
	memcpy(&word, a->octet + bgf_addr_len(a) - sizeof(word), sizeof(word));
	return be32toh(word);
}

void fleet_address(const struct fleet_plan *p, uint32_t number, uint8_t *ret)
{
	const struct bgf_addr *first = fleet_is_ipv6(p, number) ? &p->ue6 : &p->ue4;
	const uint32_t word = htobe32(low_word(first) + number), length = bgf_addr_len(first);

	memcpy(ret, first->octet, length);
	memcpy(ret + length - sizeof(word), &word, sizeof(word));
}

const uint8_t *fleet_served(const struct fleet_plan *p, bool ipv6)
{
	return ipv6 ? p->served6.octet : p->served4.octet;
}

bool fleet_has(const struct fleet_plan *p, const uint8_t *address, bool ipv6)
{
	const struct bgf_addr *first = ipv6 ? &p->ue6 : &p->ue4;
	uint32_t word;

	if (ipv6 && memcmp(address, first->octet, 12) != 0)
		return false;
	memcpy(&word, address + bgf_addr_len(first) - sizeof(word), sizeof(word));
	const uint32_t number = be32toh(word) - low_word(first);
	return number < p->count && fleet_is_ipv6(p, number) == ipv6;
}

uint16_t fleet_ue_port(uint32_t number, unsigned which)
{
	return (uint16_t)(FIRST_UE_PORT + number % UE_PORT_PAIRS * 2 + which);
}

uint16_t fleet_local_port(const struct fleet_plan *p, unsigned which)
{
	return which == 0 ? p->port_ps : p->port_pc;
}

uint32_t fleet_ue_spi(uint32_t number, unsigned which)
{
	return FIRST_UE_SPI + number * 2 + which;
}

int64_t fleet_by_spi(const struct fleet_plan *p, uint32_t spi, unsigned *ret_which)
{
	const uint32_t number = (spi - FIRST_UE_SPI) / 2;

	if (spi < FIRST_UE_SPI || number >= p->count)
		return -1;
	*ret_which = (spi - FIRST_UE_SPI) % 2;
	return number;
}
