/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/sets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "control/audit.h"
#include "control/events.h"
#include "control/life.h"
#include "control/log.h"
#include "control/op.h"
#include "control/sweep.h"

#define SECOND UINT64_C(1000000000)

/* Sets that end in a turn of the loop: so many, and for so long; then it may do something else. */
enum { EXPIRE_AT_ONCE = 256, EXPIRE_TURN_US = 2000 };

/* --- showing --- */

void sets_show(const struct sa_set *set, uint64_t now, struct zb_set *ret)
{
	const struct dpl_set_name *name = &set->name;

	*ret = (struct zb_set){.set_id = set->id,
			       .reference = name->reference,
			       .selectors = set->selectors,
			       .alg = name->alg,
			       .ealg = name->ealg,
			       .mod = name->mod,
			       .flags = name->flags,
			       .state = set->state,
			       .first_used = set->first_used,
			       .remaining_ms = set->expires > now ? (set->expires - now) / 1000000 : 0};
	memcpy(ret->peer, name->peer, sizeof(ret->peer));
	memcpy(ret->subscriber, name->subscriber, sizeof(ret->subscriber));
	memcpy(ret->registration_id, name->registration_id, sizeof(ret->registration_id));
	memcpy(ret->fingerprint, name->fingerprint, sizeof(ret->fingerprint));
}

void sets_show_counters(const struct dpl_set_state *state, struct zb_set *row)
{
	for (int sa = 0; sa < DPL_SA_COUNT; sa++) {
		row->packets[sa] = state->sa[sa].packets;
		row->octets[sa] = state->sa[sa].octets;
		row->sequence[sa] = state->sa[sa].sequence;
	}
	row->first_used = state->first_used;
	for (unsigned reason = 0; reason < BGF_DROP_COUNT; reason++) {
		if (state->drops[reason] == 0 || row->drop_count == ZB_SET_DROPS)
			continue;
		row->drops[row->drop_count].reason = (uint16_t)reason;
		row->drops[row->drop_count++].count = state->drops[reason];
	}
}

void sets_log(const char *what, const struct sa_set *set)
{
	static struct log_gate gate = {.rate = 100};
	const struct bgf_set_selectors *s = &set->selectors;
	char ue[BGF_ADDR_STRLEN];

	if (!log_passes(&gate, LOG_LEVEL_INFO)) /* before anything is made into text */
		return;
	uint64_t now = timers_now();
	log_line(LOG_LEVEL_INFO,
		 "set %llu %s: peer %s subscriber %s%s%s ue %s ports uc %u us %u pc %u ps %u spis uc %u us "
		 "%u pc %u ps "
		 "%u, %llu s left",
		 (unsigned long long)set->id, what, set->name.peer, set->name.subscriber,
		 set->name.registration_id[0] != '\0' ? " registration " : "", set->name.registration_id,
		 bgf_addr_text(&s->ue, ue), s->port_uc, s->port_us, s->port_pc, s->port_ps, s->spi_uc,
		 s->spi_us, s->spi_pc, s->spi_ps,
		 (unsigned long long)(set->expires > now ? (set->expires - now) / SECOND : 0));
}

/* --- timers --- */

static void arm_timer(struct control *c)
{
	const struct sa_set *first = timers_first(&c->timers);

	/* One that goes off too early costs a wake-up; only one that would come too late is moved. */
	if (first == NULL || (c->timer_at != 0 && c->timer_at <= first->expires))
		return;
	c->timer_at = first->expires > 0 ? first->expires : 1;
	struct itimerspec when = {.it_value = {.tv_sec = (time_t)(c->timer_at / SECOND),
					       .tv_nsec = (long)(c->timer_at % SECOND)}};
	timerfd_settime(c->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void expire(struct control *c, struct sa_set *set)
{
	struct life_step step = life_step(set->state, LIFE_EXPIRE);

	if (step.action == LIFE_END_EXPIRED)
		sets_end(c, set, ZB_EVENT_EXPIRED, 0);
	else
		sets_end(c, set, ZB_EVENT_REMOVED, set->name.removed);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct control *c = arg;
	uint64_t ticks, now = timers_now();

	(void)what;
	turn_work(&c->turn);
	if (read(fd, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
		log_line(LOG_LEVEL_ERROR, "timer: %s", strerror(errno));
	c->timer_at = 0;
	for (int i = 0;
	     i < EXPIRE_AT_ONCE && (i == 0 || timers_now() < now + EXPIRE_TURN_US * UINT64_C(1000)); i++) {
		struct sa_set *set = timers_first(&c->timers);
		if (set == NULL || set->expires > now)
			break;
		timers_clear(&c->timers, set);
		expire(c, set);
	}
	arm_timer(c);
}

void sets_set_expiry(struct control *c, struct sa_set *set, uint64_t expires)
{
	set->expires = expires;
	timers_set(&c->timers, set); /* it has one already: nothing to allocate */
	arm_timer(c);
}

/* --- coming --- */

int sets_init(struct control *c)
{
	int error = sa_table_init(&c->table);

	if (error != 0)
		return error;
	error = hash_init(&c->ending);
	if (error != 0)
		return error;
	error = turn_init(&c->turn, c->base);
	if (error == 0)
		error = sweep_init(c);
	if (error != 0)
		return error;
	c->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (c->timer_fd < 0)
		return -errno;
	c->timer = event_new(c->base, c->timer_fd, EV_READ | EV_PERSIST, on_timer, c);
	return c->timer != NULL && event_add(c->timer, NULL) == 0 ? 0 : -ENOMEM;
}

int sets_enter(struct control *c, struct sa_set *set, struct peer *peer)
{
	set->peer = peer;
	if (timers_set(&c->timers, set) != 0)
		return -ENOMEM;
	if (sa_table_enter(&c->table, set) != 0) {
		timers_clear(&c->timers, set);
		return -ENOMEM;
	}
	peer_ref(peer);
	peer->set_count++;
	TAILQ_INSERT_TAIL(&peer->sets, set, of_peer);
	audit_enter(set);
	arm_timer(c);
	return 0;
}

static void leave(struct control *c, struct sa_set *set)
{
	audit_leave(set);
	sweep_forget(set);
	timers_clear(&c->timers, set);
	sa_table_leave(&c->table, set);
	TAILQ_REMOVE(&set->peer->sets, set, of_peer);
	set->peer->set_count--;
}

static void free_set(struct sa_set *set)
{
	struct peer *peer = set->peer;

	sa_set_free(set);
	peer_unref(peer);
}

STAILQ_HEAD(op_queue, op);

/* Requests that waited for the answer to a set's ADD are judged again, in their order. */
static void run(struct op_queue *waiting)
{
	struct op *op;

	while ((op = STAILQ_FIRST(waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(waiting, waiting);
		op->run(op);
	}
}

void sets_discard(struct control *c, struct sa_set *set, int status)
{
	struct op_queue waiting = STAILQ_HEAD_INITIALIZER(waiting);

	leave(c, set);
	if (set->ender != NULL) {
		set->ender->touched--; /* it never came; or comes back, and the repeated RELEASE finds it */
		op_settled(set->ender, status == -ENOTCONN ? status : 0);
		set->ender = NULL;
	}
	STAILQ_CONCAT(&waiting, &set->waiting);
	free_set(set);
	run(&waiting);
}

void sets_added(struct control *c, struct sa_set *set, const struct dpl_set_state *state)
{
	set->selectors.spi_pc = state->selectors.spi_pc;
	set->selectors.spi_ps = state->selectors.spi_ps;
	sa_table_identify(&c->table, set, state->set_id);
	audit_enter(set);
	sets_log("installed", set);
	/* The set whose ports it waited for has ended meanwhile (sets_end), when this one had no id yet. */
	if (state->name.replaces != set->name.replaces)
		sets_update(c, set, true, false, NULL, NULL);
}

void sets_added_and_answered(struct control *c, struct sa_set *set)
{
	struct op_queue waiting = STAILQ_HEAD_INITIALIZER(waiting);

	STAILQ_CONCAT(&waiting, &set->waiting);
	if (set->doomed != 0)
		sets_end(c, set, ZB_EVENT_REMOVED, set->doomed);
	run(&waiting);
}

/* --- changing --- */

static void on_unasked(void *arg, int status, const struct dpl_header *answer)
{
	(void)arg, (void)answer;
	if (status != 0 && status != -ENOTCONN && status != -ENOENT)
		log_line(LOG_LEVEL_ERROR, "the data plane did not change a set: %s", strerror(-status));
}

int sets_update(struct control *c, struct sa_set *set, bool takes_over, bool watch, dplink_done done,
		void *arg)
{
	struct dpl_set_update update = {.header = DPLINK_RECORD(DPL_SET_UPDATE, update),
					.set_id = set->id,
					.expires = set->expires,
					.state = set->state,
					.takes_over = takes_over,
					.watch_first_use = watch,
					.name = set->name};

	audit_change(set);
	return dplink_send(c->link, &update.header, done != NULL ? done : on_unasked, arg);
}

int sets_linger(struct control *c, struct sa_set *set, unsigned why, uint32_t drain_s, dplink_done done,
		void *arg)
{
	set->state = BGF_SET_DRAINING;
	set->name.removed = (uint8_t)why;
	set->name.drain_s = drain_s;
	sets_set_expiry(c, set, timers_now() + drain_s * SECOND);
	sets_log("draining", set);
	return sets_update(c, set, false, false, done, arg);
}

/* The next set of the same registration that came before `set`, from NULL in *at on; NULL: no other. */
static struct sa_set *next_older(const struct control *c, const struct sa_set *set, struct hash_node **at)
{
	const struct dpl_set_name *name = &set->name;
	struct sa_set *other;

	/* One, nearly always: that is seen without its strings. */
	if (*at == NULL && hash_is_alone(&c->table.registration, &set->by_registration))
		return NULL;
	do
		other = sa_table_of_registration(&c->table, set->peer, name->subscriber,
						 name->registration_id, at);
	while (other != NULL && !sa_set_is_older(other, set));
	return other;
}

static void supersede(struct control *c, struct sa_set *set)
{
	struct life_step step = life_step(set->state, LIFE_SUPERSEDE);

	if (step.action != LIFE_CUT)
		return;
	set->state = step.state;
	sets_set_expiry(c, set,
			life_superseded_until(timers_now(), c->config->control.supersede_s, set->expires));
	sets_log("superseded", set);
	sets_update(c, set, false, false, NULL, NULL);
	events_set(c, ZB_EVENT_SUPERSEDED, set);
}

void sets_supersede_older(struct control *c, const struct sa_set *used)
{
	struct hash_node *at = NULL;
	struct sa_set *set;

	/* One that is on its way out itself takes nothing over. */
	if (used->state != BGF_SET_ESTABLISHED)
		return;
	while ((set = next_older(c, used, &at)) != NULL)
		supersede(c, set);
}

/* The UE holds the set that it registered on and the one that this led to. What was confirmed in between is
 * of a 200 OK that it never got: had it used that set, the older ones would be superseded. Without this, as
 * many lost answers as there is room for sets would lock it out (rule 6). */
static void supersede_between(struct control *c, const struct sa_set *confirmed)
{
	struct hash_node *at = NULL;
	struct sa_set *set, *oldest = NULL;

	while ((set = next_older(c, confirmed, &at)) != NULL)
		if (set->state == BGF_SET_ESTABLISHED &&
		    (oldest == NULL || set->name.installed < oldest->name.installed))
			oldest = set;
	at = NULL;
	while ((set = next_older(c, confirmed, &at)) != NULL)
		if (set != oldest)
			supersede(c, set);
}

void sets_first_used(struct control *c, struct sa_set *set)
{
	set->first_used = 1;
	sets_log("first used", set);
	events_set(c, ZB_EVENT_FIRST_USED, set);
}

/* --- going --- */

/* A set that waits to take this one's ports at CONFIRM (rule 6), or NULL. */
static struct sa_set *find_heir(const struct control *c, const struct sa_set *set)
{
	struct hash_node *at = NULL;
	struct sa_set *other;

	while ((other = sa_table_of_uc(&c->table, &set->selectors, &at)) != NULL)
		if (other->name.replaces == set->id)
			return other;
	at = NULL;
	while ((other = sa_table_of_us(&c->table, &set->selectors, &at)) != NULL)
		if (other->name.replaces == set->id)
			return other;
	return NULL;
}

/* `last`: what the data plane had counted when it removed it; NULL: nobody knows any more. */
static void gone(struct control *c, struct sa_set *set, const struct dpl_set_state *last)
{
	sets_log(set->ended == ZB_EVENT_EXPIRED ? "expired" : bgf_removed_text(set->name.removed), set);
	events_ended(c, set, last);
	peer_set_ended(set->peer);
	hash_remove(&c->ending, &set->by_id);
	free_set(set);
}

static void on_removed(void *arg, int status, const struct dpl_header *answer)
{
	struct op_queue waiting = STAILQ_HEAD_INITIALIZER(waiting);
	struct sa_set *set = arg;

	set->removing = false;
	STAILQ_CONCAT(&waiting, &set->waiting);
	if (set->ender != NULL)
		op_settled(set->ender, status);
	set->ender = NULL;
	if (status != 0 && status != -ENOENT && status != -ENOTCONN)
		log_line(LOG_LEVEL_ERROR, "the data plane did not remove set %llu: %s",
			 (unsigned long long)set->id, strerror(-status));
	if (status != -ENOTCONN) /* else it stays among those ending; the resynchronisation finds out */
		gone(set->peer->control, set,
		     status == 0 ? &((const struct dpl_set_row *)answer)->set : NULL);
	run(&waiting);
}

static void send_remove(struct control *c, struct sa_set *set)
{
	struct dpl_set_id remove = {.header = DPLINK_RECORD(DPL_SET_REMOVE, remove), .set_id = set->id};

	int error = dplink_send(c->link, &remove.header, on_removed, set);
	set->removing = error == 0;
	if (error != 0 && set->ender != NULL) {
		op_settled(set->ender, -ENOTCONN);
		set->ender = NULL;
	}
}

void sets_end(struct control *c, struct sa_set *set, unsigned kind, unsigned why)
{
	if (set->id == 0) {
		/* The data plane is just adding it: it cannot be named yet. */
		set->doomed = (uint8_t)(why != 0 ? why : BGF_REMOVED_RELEASED);
		return;
	}
	set->ended = (uint8_t)kind;
	set->name.removed = (uint8_t)why;
	leave(c, set);
	hash_insert(&c->ending, &set->by_id, hash_octets(&set->id, sizeof(set->id)), set);
	send_remove(c, set);
	/* The ports are free before CONFIRM: who waited for them sends from now on. There may be two, each
	 * for one pair. */
	for (struct sa_set *heir; (heir = find_heir(c, set)) != NULL;) {
		heir->name.replaces = 0;
		if (heir->id != 0)
			sets_update(c, heir, true, false, NULL, NULL);
	}
}

void sets_settle(struct control *c, struct sa_set *confirmed)
{
	struct sa_set *replaced =
		confirmed->name.replaces != 0 ? sa_table_by_id(&c->table, confirmed->name.replaces) : NULL;
	struct sa_set *older[8];
	struct hash_node *at = NULL;
	unsigned count = 0;

	confirmed->name.replaces = 0;
	if (replaced != NULL && replaced != confirmed)
		sets_end(c, replaced, ZB_EVENT_REMOVED, BGF_REMOVED_REPLACED);
	if (!(confirmed->name.flags & BGF_SET_BEGAN_UNPROTECTED)) {
		if (confirmed->state == BGF_SET_ESTABLISHED)
			supersede_between(c, confirmed);
		return;
	}
	struct sa_set *set;
	while (count < 8 && (set = next_older(c, confirmed, &at)) != NULL)
		older[count++] = set;
	for (unsigned i = 0; i < count; i++)
		sets_end(c, older[i], ZB_EVENT_REMOVED, BGF_REMOVED_BEGAN_UNPROTECTED);
}

struct sa_set *sets_find_ending(const struct control *c, uint64_t set_id)
{
	struct hash_node *n = hash_first(&c->ending, hash_octets(&set_id, sizeof(set_id)));

	for (; n != NULL; n = hash_next(n)) {
		struct sa_set *set = n->owner;
		if (set->id == set_id)
			return set;
	}
	return NULL;
}

void sets_finish_ending(struct control *c, bool lost)
{
	hash_settle(&c->ending);
	for (size_t i = 0; i <= c->ending.mask; i++) {
		struct hash_node *next;
		for (struct hash_node *n = c->ending.bucket[i]; n != NULL; n = next) {
			struct sa_set *set = n->owner;
			next = n->next;
			if (lost) {
				hash_remove(&c->ending, &set->by_id);
				free_set(set);
			} else if (set->removing) {
				continue; /* it ended since the link came up */
			} else if (set->seen == c->syncs) {
				send_remove(c, set);
			} else {
				gone(c, set, NULL);
			}
		}
	}
}

void sets_forget(struct control *c, struct sa_set *set)
{
	leave(c, set);
	free_set(set);
}

/* The indexes go as a whole afterwards: to take a million sets out of them one by one would make an ordered
 * end long. */
static void free_all(struct control *c)
{
	for (uint32_t i = 0; i < c->table.slots; i++) {
		struct sa_set *set = c->table.slot[i];
		if (set == NULL)
			continue;
		TAILQ_REMOVE(&set->peer->sets, set, of_peer);
		free_set(set);
	}
}

void sets_free(struct control *c)
{
	sweep_free(c);
	turn_free(&c->turn);
	if (c->ending.bucket != NULL)
		sets_finish_ending(c, true);
	free_all(c);
	peer_forget_all(c);
	if (c->timer != NULL)
		event_free(c->timer);
	if (c->timer_fd >= 0)
		close(c->timer_fd);
	timers_free(&c->timers);
	hash_free(&c->ending);
	sa_table_free(&c->table);
}
