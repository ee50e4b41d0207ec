/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bgfctl set install, confirm, release: what a P-CSCF does, by hand.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bgfctl.h"
#include "bgfctl_out.h"

enum {
	KEY_FILE_MAX = 4096,
	LOOK_MS = 500,		  /* how often it is looked how far a RELEASE of all is */
	PATIENCE_MS = 5000,	  /* so long none more may be gone; */
	DRAIN_PATIENCE_MS = 60000 /* those that drain are still there, and do not show it */
};

/* Below 2^53, which every reader of JSON keeps exactly. */
static uint64_t reference_of(const struct ctl *c)
{
	uint64_t random = 0;

	while (random == 0 && getrandom(&random, sizeof(random), 0) == sizeof(random))
		random >>= 11;
	return ctl_number(c, CTL_OPT_REFERENCE, 1, UINT64_MAX, random);
}

/* The number of an algorithm by its name in SIP, out of the texts of the vocabulary. */
static uint8_t number_of(const struct ctl *c, enum ctl_option option, const char *(*text)(unsigned),
			 uint8_t otherwise)
{
	if (c->option[option] == NULL)
		return otherwise;
	for (unsigned n = 0; strcmp(text(n), "?") != 0; n++)
		if (strcmp(text(n), c->option[option]) == 0)
			return (uint8_t)n;
	fprintf(stderr, "bgfctl: %s: found '%s'; known:", ctl_option_name(option), c->option[option]);
	for (unsigned n = 0; strcmp(text(n), "?") != 0; n++)
		fprintf(stderr, " %s", text(n));
	fputc('\n', stderr);
	ctl_usage_error("%s is not a name that TS 33.203 Annex H has", ctl_option_name(option));
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* 32 hex digits and nothing else. */
static bool parse_key(const char *text, uint8_t ret[static 16])
{
	if (strlen(text) != 32)
		return false;
	for (unsigned i = 0; i < 16; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* The whole file into buf, with a NUL. Returns 0 or a negative errno. */
static int read_key_file(const char *path, char buf[static KEY_FILE_MAX])
{
	bool standard_input = strcmp(path, "-") == 0;
	int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t used = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	if (!standard_input && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) != 0)
		fprintf(stderr, "bgfctl: warning: others than its owner may read %s\n", path);
	while (n > 0 && used < KEY_FILE_MAX - 1) {
		n = read(fd, buf + used, KEY_FILE_MAX - 1 - used);
		used += n > 0 ? (size_t)n : 0;
	}
	int r = n < 0 ? -errno : used == KEY_FILE_MAX - 1 ? -EFBIG : 0;
	buf[used] = '\0';
	if (!standard_input)
		close(fd);
	return r;
}

/* One line of a key file. False: not understood. The message that follows never quotes it. */
static bool take_key_line(char *line, struct zb_install *ret, bool *has_ik)
{
	bool good = false;

	line[strcspn(line, "\r")] = '\0';
	if (line[0] == '\0' || line[0] == '#')
		return true;
	if (strncmp(line, "ik=", 3) == 0) {
		good = parse_key(line + 3, ret->ik);
		*has_ik |= good;
	} else if (strncmp(line, "ck=", 3) == 0) {
		good = parse_key(line + 3, ret->ck);
		ret->has_ck |= good;
	}
	return good;
}

static void read_keys(const char *path, struct zb_install *ret)
{
	char buf[KEY_FILE_MAX], *rest = buf, *line;
	bool has_ik = false;
	unsigned number = 0, bad = 0;
	int r = read_key_file(path, buf);

	while (r == 0 && bad == 0 && (line = strsep(&rest, "\n")) != NULL) {
		number++;
		if (!take_key_line(line, ret, &has_ik))
			bad = number;
	}
	explicit_bzero(buf, sizeof(buf));
	if (r < 0)
		ctl_usage_error("--keys %s: %s", path, strerror(-r));
	if (bad != 0)
		ctl_usage_error("--keys %s: line %u is neither ik= nor ck= with 32 hex digits", path, bad);
	if (!has_ik)
		ctl_usage_error("--keys %s: there is no line ik= with 32 hex digits", path);
}

static void read_selectors(const struct ctl *c, struct bgf_set_selectors *s)
{
	ctl_address(c, CTL_OPT_UE, &s->ue);
	ctl_address(c, CTL_OPT_SERVED, &s->served);
	s->port_uc = (uint16_t)ctl_number(c, CTL_OPT_PORT_UC, 1, 65535, 0);
	s->port_us = (uint16_t)ctl_number(c, CTL_OPT_PORT_US, 1, 65535, 0);
	s->port_pc = (uint16_t)ctl_number(c, CTL_OPT_PORT_PC, 1, 65535, 0);
	s->port_ps = (uint16_t)ctl_number(c, CTL_OPT_PORT_PS, 1, 65535, 0);
	s->spi_uc = (uint32_t)ctl_number(c, CTL_OPT_SPI_UC, BGF_SPI_MIN, UINT32_MAX, 0);
	s->spi_us = (uint32_t)ctl_number(c, CTL_OPT_SPI_US, BGF_SPI_MIN, UINT32_MAX, 0);
}

static uint8_t flags_of(const struct ctl *c)
{
	return (uint8_t)((c->option[CTL_OPT_BEGAN_UNPROTECTED] != NULL ? BGF_SET_BEGAN_UNPROTECTED : 0) |
			 (c->option[CTL_OPT_EMERGENCY] != NULL ? BGF_SET_EMERGENCY : 0) |
			 (c->option[CTL_OPT_REPLACE] != NULL ? BGF_SET_REPLACE : 0));
}

int set_install(struct ctl *c)
{
	struct zb_install i = {
		.reference = reference_of(c),
		.subscriber = c->option[CTL_OPT_SUBSCRIBER],
		.registration_id = c->option[CTL_OPT_REGISTRATION_ID],
		.alg = number_of(c, CTL_OPT_ALG, bgf_alg_text, BGF_ALG_HMAC_SHA_1_96),
		.ealg = number_of(c, CTL_OPT_EALG, bgf_ealg_text, BGF_EALG_NONE),
		.mod = number_of(c, CTL_OPT_MOD, bgf_mod_text, BGF_MOD_TRANS),
		.flags = flags_of(c),
		.await_auth_s = (uint16_t)ctl_number(c, CTL_OPT_AWAIT_AUTH, 1, 3600, 0),
		.via_set = ctl_number(c, CTL_OPT_VIA_SET, 1, UINT64_MAX, 0),
	};
	struct zb_set set = {0};

	read_selectors(c, &i.selectors);
	read_keys(c->option[CTL_OPT_KEYS], &i);
	int r = zb_install(c->zb, &i, &set, &c->error);
	explicit_bzero(&i, sizeof(i));
	if (r < 0)
		return ctl_failed(c, r);
	print_set(c, &set);
	return 0;
}

int set_confirm(struct ctl *c)
{
	uint32_t expires = (uint32_t)ctl_number(c, CTL_OPT_EXPIRES, 0, 16777215, 0);
	struct zb_set set = {0};
	int r = zb_confirm(c->zb, ctl_set_id(c), reference_of(c), expires, &set, &c->error);

	if (r < 0)
		return ctl_failed(c, r);
	print_set(c, &set);
	return 0;
}

static void print_released(const struct ctl *c, uint32_t count, uint32_t drain)
{
	if (c->json) {
		json_open(NULL, '{');
		json_number("released", count);
		json_number("drain_s", drain);
		json_close('}');
		json_end();
	} else {
		printf("%" PRIu32 " set%s released", count, count == 1 ? "" : "s");
		if (drain > 0)
			printf(", gone in %" PRIu32 " s", drain);
		putchar('\n');
	}
}

/* --- all sets of a peer --- */

/* How far it is: the fewest sets that were left, and since when. */
struct progress {
	uint32_t left;
	int64_t since; /* CLOCK_MONOTONIC, ms */
	bool is_shown;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int look(struct ctl *c, struct progress *p)
{
	static struct zb_peer rows[1024];
	size_t n = 0;
	int r = zb_peers(c->zb, rows, sizeof(rows) / sizeof(rows[0]), &n, &c->error);

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (rows[i].role != ZB_ROLE_PEER || strcmp(rows[i].name, c->option[CTL_OPT_PEER]) != 0 ||
		    rows[i].sets >= p->left)
			continue;
		p->left = rows[i].sets;
		p->since = now_ms();
	}
	if (r == 0 && p->left != UINT32_MAX && isatty(STDERR_FILENO)) {
		fprintf(stderr, "\r\033[K%" PRIu32 " set%s left", p->left, p->left == 1 ? "" : "s");
		p->is_shown = true;
	}
	return r;
}

/* No answer came yet. 0 when the request is to be repeated, which gets the same answer; negative: it goes no
 * further. */
static int wait_on(struct ctl *c, struct progress *p, uint32_t drain)
{
	const int64_t patience = drain > 0 ? DRAIN_PATIENCE_MS : PATIENCE_MS;

	for (;;) {
		int r = look(c, p);
		if (r < 0)
			return r;
		if (now_ms() >= p->since + patience && p->left != UINT32_MAX)
			snprintf(c->error.text, sizeof(c->error.text),
				 "no set more is gone for %d s; %" PRIu32 " are left", (int)(patience / 1000),
				 p->left);
		if (now_ms() >= p->since + patience)
			return -ETIMEDOUT;
		/* The gateway has too many peers for one answer: it may lack this one. */
		if (p->left == 0 || p->left == UINT32_MAX || drain > 0)
			return 0;
		usleep(LOOK_MS * 1000);
	}
}

/* Waits as long as they go, unless --wait says how long. */
static int release_all(struct ctl *c, uint64_t reference, uint32_t drain, uint32_t *ret_count)
{
	struct progress p = {.left = UINT32_MAX, .since = now_ms()};
	int r;

	do {
		r = zb_release_all(c->zb, reference, drain, ret_count, &c->error);
		if (r != -ETIMEDOUT || c->option[CTL_OPT_WAIT] != NULL)
			break;
		r = wait_on(c, &p, drain);
	} while (r == 0);
	if (p.is_shown)
		fputs("\r\033[K", stderr);
	return r;
}

int set_release(struct ctl *c)
{
	uint32_t drain = (uint32_t)ctl_number(c, CTL_OPT_DRAIN, 0, 3600, 0);
	uint64_t reference = reference_of(c);
	uint32_t count = 1;
	int r;

	if (strcmp(c->argument, "all") != 0) {
		r = zb_release(c->zb, ctl_set_id(c), reference, drain, &c->error);
	} else {
		if (c->option[CTL_OPT_PEER] == NULL)
			ctl_usage_error("'set release all' needs --peer NAME: all of whose sets?");
		r = release_all(c, reference, drain, &count);
	}
	if (r < 0)
		return ctl_failed(c, r);
	print_released(c, count, drain);
	return 0;
}
