// SPDX-License-Identifier: BSD-2-Clause
/* The guest's memory as a queue sees it. */
#include "../../log.h"
#include "virtio.h"
#include <stdlib.h>

struct view *view_new(struct memory *memory)
{
	struct view *view = malloc(sizeof(*view));

	if (!view)
		return NULL;
	view->memory = memory_hold(memory);
	view->holders = 1;
	return view;
}

struct view *view_hold(struct view *view)
{
	view->holders++;
	return view;
}

void view_drop(struct view *view)
{
	if (!view || --view->holders)
		return;
	memory_drop(view->memory);
	free(view);
}

void queue_tell_unshared(struct queue *queue, const char *why)
{
	if (!atomic_exchange(&queue->client->told_unshared, true))
		log_error("queue %u: %s: give the guest a memory backend with "
			  "share=on",
			  queue->index, why);
}
