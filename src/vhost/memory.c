// SPDX-License-Identifier: BSD-2-Clause
#include "memory.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* A guest's kernel, or what loads it, has left something in so many bytes. */
#define BLANK_MAX (UINT64_C(1) << 30)

/* One mapping, shared by the sets that contain it. */
struct mapping {
	atomic_uint holders;
	void *address;
	size_t length;
	int fd; /* a duplicate of the front end's */
};

struct slot {
	uint64_t guest;
	uint64_t size;
	uint64_t user;
	uint64_t offset; /* in the file */
	char *host;	 /* where GUEST is mapped */
	struct mapping *mapping;
};

struct memory {
	atomic_uint holders;
	unsigned int count;
	struct slot slots[]; /* by rising guest address */
};

static struct memory *memory_alloc(unsigned int count)
{
	struct memory *memory;

	memory = calloc(1, sizeof(*memory) + count * sizeof(struct slot));
	if (!memory)
		return NULL;
	atomic_init(&memory->holders, 1);
	return memory;
}

struct memory *memory_new(void)
{
	return memory_alloc(0);
}

struct memory *memory_hold(struct memory *memory)
{
	atomic_fetch_add_explicit(&memory->holders, 1, memory_order_relaxed);
	return memory;
}

static void mapping_drop(struct mapping *mapping)
{
	if (atomic_fetch_sub_explicit(&mapping->holders, 1,
				      memory_order_acq_rel) != 1)
		return;
	munmap(mapping->address, mapping->length);
	close(mapping->fd);
	free(mapping);
}

void memory_drop(struct memory *memory)
{
	if (!memory || atomic_fetch_sub_explicit(&memory->holders, 1,
						 memory_order_acq_rel) != 1)
		return;
	for (unsigned int i = 0; i < memory->count; i++)
		mapping_drop(memory->slots[i].mapping);
	free(memory);
}

/* Appends a slot of another set; the mapping is then held once more. */
static void append(struct memory *memory, const struct slot *slot)
{
	atomic_fetch_add_explicit(&slot->mapping->holders, 1,
				  memory_order_relaxed);
	memory->slots[memory->count++] = *slot;
}

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

static const char *check_region(const struct memory *memory,
				const struct vhost_region *region,
				const struct stat *st)
{
	uint64_t end;

	if (!region->size)
		return "it is empty";
	if (__builtin_add_overflow(region->guest_addr, region->size, &end) ||
	    __builtin_add_overflow(region->user_addr, region->size, &end) ||
	    __builtin_add_overflow(region->mmap_offset, region->size, &end) ||
	    end > INT64_MAX / 2 || end > SIZE_MAX / 2)
		return "its addresses overflow";
	/*
	 * Touching what is beyond the end of a file is SIGBUS. A front end
	 * that cuts the file later still can do that: main.c tells and ends.
	 */
	if (!S_ISREG(st->st_mode))
		return "its descriptor is not a memory file";
	if (end > (uint64_t)st->st_size)
		return "it goes beyond the end of its file";
	for (unsigned int i = 0; i < memory->count; i++) {
		const struct slot *s = &memory->slots[i];

		/* User addresses may: aliases of the same memory. */
		if (overlap(region->guest_addr, region->size, s->guest,
			    s->size))
			return "it overlaps another one";
	}
	return NULL;
}

/* Maps a region that has been checked. */
static int map_region(const struct vhost_region *region, int fd,
		      const struct stat *st, struct slot *slot)
{
	uint64_t align = (uint64_t)sysconf(_SC_PAGESIZE), start;
	struct mapping *mapping;
	int error;

	/* Of a file of huge pages, whole ones only can be mapped. */
	if (st->st_blksize > 0 && (uint64_t)st->st_blksize > align &&
	    !(st->st_blksize & (st->st_blksize - 1)))
		align = (uint64_t)st->st_blksize;
	start = region->mmap_offset & ~(align - 1);

	mapping = calloc(1, sizeof(*mapping));
	if (!mapping)
		return -ENOMEM;
	mapping->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (mapping->fd < 0)
		goto fail;
	mapping->length = (size_t)((region->mmap_offset + region->size - start +
				    align - 1) &
				   ~(align - 1));
	mapping->address = mmap(NULL, mapping->length, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_NORESERVE, fd, (off_t)start);
	if (mapping->address == MAP_FAILED)
		goto fail;
	/* A core dump is no place for a guest's memory. */
	madvise(mapping->address, mapping->length, MADV_DONTDUMP);
	*slot = (struct slot){
		.guest = region->guest_addr,
		.size = region->size,
		.user = region->user_addr,
		.offset = region->mmap_offset,
		.host = (char *)mapping->address +
			(region->mmap_offset - start),
		.mapping = mapping,
	};
	return 0;
fail:
	error = -errno;
	if (mapping->fd >= 0)
		close(mapping->fd);
	free(mapping);
	return error;
}

int memory_add(const struct memory *memory, const struct vhost_region *region,
	       int fd, struct memory **ret_memory, const char **ret_why)
{
	struct memory *new;
	struct slot slot;
	struct stat st;
	unsigned int i;
	int r;

	if (memory->count >= MEMORY_SLOTS_MAX) {
		*ret_why = "there are too many";
		return -ENOSPC;
	}
	if (fstat(fd, &st) < 0) {
		*ret_why = "its descriptor cannot be used";
		return -errno;
	}
	*ret_why = check_region(memory, region, &st);
	if (*ret_why)
		return -EINVAL;
	*ret_why = "it cannot be mapped";
	new = memory_alloc(memory->count + 1);
	if (!new)
		return -ENOMEM;
	r = map_region(region, fd, &st, &slot);
	if (r < 0) {
		free(new);
		return r;
	}
	for (i = 0; i < memory->count; i++) {
		if (memory->slots[i].guest > slot.guest)
			break;
		append(new, &memory->slots[i]);
	}
	append(new, &slot);
	for (; i < memory->count; i++)
		append(new, &memory->slots[i]);
	*ret_memory = new;
	return 0;
}

int memory_remove(const struct memory *memory,
		  const struct vhost_region *region, struct memory **ret_memory)
{
	struct memory *new;
	unsigned int found = memory->count;

	for (unsigned int i = 0; i < memory->count; i++)
		if (memory->slots[i].guest == region->guest_addr &&
		    memory->slots[i].user == region->user_addr &&
		    memory->slots[i].size == region->size)
			found = i;
	if (found == memory->count)
		return -ENOENT;
	new = memory_alloc(memory->count);
	if (!new)
		return -ENOMEM;
	for (unsigned int i = 0; i < memory->count; i++)
		if (i != found)
			append(new, &memory->slots[i]);
	*ret_memory = new;
	return 0;
}

static bool same_file(const struct mapping *a, const struct mapping *b)
{
	struct stat one, other;

	return a == b ||
	       (fstat(a->fd, &one) == 0 && fstat(b->fd, &other) == 0 &&
		one.st_dev == other.st_dev && one.st_ino == other.st_ino);
}

static bool has_slot(const struct memory *memory, const struct slot *slot)
{
	for (unsigned int i = 0; i < memory->count; i++) {
		const struct slot *s = &memory->slots[i];

		if (s->guest == slot->guest && s->size == slot->size &&
		    s->user == slot->user && s->offset == slot->offset)
			return same_file(s->mapping, slot->mapping);
	}
	return false;
}

bool memory_includes(const struct memory *memory, const struct memory *other)
{
	for (unsigned int i = 0; i < other->count; i++)
		if (!has_slot(memory, &other->slots[i]))
			return false;
	return true;
}

void *memory_of_user(const struct memory *memory, uint64_t user, size_t len)
{
	for (unsigned int i = 0; i < memory->count; i++) {
		const struct slot *s = &memory->slots[i];

		if (user >= s->user && user - s->user < s->size &&
		    len <= s->size - (user - s->user))
			return s->host + (user - s->user);
	}
	return NULL;
}

/* By reading, for to touch a hole through the mapping would fill it. */
static bool slot_is_blank(const struct slot *slot)
{
	uint64_t len = slot->size < BLANK_MAX ? slot->size : BLANK_MAX;
	uint64_t words[2048];
	struct iovec iov = { words, sizeof(words) };

	for (uint64_t at = 0; at < len;) {
		ssize_t n = preadv(slot->mapping->fd, &iov, 1,
				   (off_t)(slot->offset + at));

		if (n < (ssize_t)sizeof(*words))
			break;
		for (size_t i = 0; i < (size_t)n / sizeof(*words); i++)
			if (words[i])
				return false;
		at += (uint64_t)n;
	}
	return true;
}

bool memory_is_blank(const struct memory *memory)
{
	for (unsigned int i = 0; i < memory->count; i++)
		if (!slot_is_blank(&memory->slots[i]))
			return false;
	return true;
}

static bool within(const struct slot *slot, uint64_t guest)
{
	return guest >= slot->guest && guest - slot->guest < slot->size;
}

/* The slot that contains GUEST: the last that does not begin behind it. */
static const struct slot *find(const struct memory *memory, uint64_t guest,
			       unsigned int *hint)
{
	unsigned int low = 0, high = memory->count;

	if (*hint < memory->count && within(&memory->slots[*hint], guest))
		return &memory->slots[*hint];
	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (memory->slots[middle].guest <= guest)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || !within(&memory->slots[low - 1], guest))
		return NULL;
	*hint = low - 1;
	return &memory->slots[low - 1];
}

void *memory_of_guest(const struct memory *memory, uint64_t guest, size_t *len,
		      unsigned int *hint)
{
	const struct slot *slot = find(memory, guest, hint);
	uint64_t left;

	if (!slot)
		return NULL;
	left = slot->size - (guest - slot->guest);
	if (left < *len)
		*len = (size_t)left;
	return slot->host + (guest - slot->guest);
}

struct memory_window memory_window(const struct memory *memory, uint64_t guest,
				   unsigned int *hint)
{
	const struct slot *slot = find(memory, guest, hint);

	if (!slot)
		return (struct memory_window){ 0 };
	return (struct memory_window){ slot->guest, slot->size, slot->host };
}

bool memory_part(const struct memory *memory, unsigned int index,
		 struct memory_part *ret_part)
{
	const struct slot *slot = &memory->slots[index];

	if (index >= memory->count)
		return false;
	*ret_part = (struct memory_part){
		.fd = slot->mapping->fd,
		.offset = slot->offset,
		.size = slot->size,
		.address = slot->host,
		.user = slot->user,
		.guest = slot->guest,
	};
	return true;
}
