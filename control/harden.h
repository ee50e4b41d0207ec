/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What keeps keys in this process: no core dump, no other process of the user may look in, no page goes to
 * swap.
 */
#ifndef CONTROL_HARDEN_H
#define CONTROL_HARDEN_H

/* Before the first key can come. 0 or -errno, with a sentence in the log. */
int harden_process(void);

#endif
