/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What devices there are, for the sentence that says that the one asked for is not.
 */
#ifndef BGF_DP_PORT_LIST_H
#define BGF_DP_PORT_LIST_H

#include <stddef.h>

/* Interfaces of this network namespace and the host's PCI network devices, with their drivers. */
void port_list_available(char *text, size_t size);

#endif
