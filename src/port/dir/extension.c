// SPDX-License-Identifier: BSD-2-Clause
/* The extension headers of a request that creates a file. */
#include "idmap.h"
#include "internal.h"
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#define ALIGN8(n) (((n) + 7) & ~(size_t)7)

static int parse_groups(const char *body, size_t len, struct extensions *ext)
{
	struct cf_supp_groups groups;
	uint32_t group;

	if (len < sizeof(groups))
		return -EINVAL;
	memcpy(&groups, body, sizeof(groups));
	if (groups.nr_groups > (len - sizeof(groups)) / sizeof(uint32_t))
		return -EINVAL;
	if (groups.nr_groups == 0)
		return 0;
	/* The kernel sends one: the parent directory's. */
	if (groups.nr_groups > 1)
		return -EINVAL;
	memcpy(&group, body + sizeof(groups), sizeof(group));
	ext->has_group = true;
	ext->group = group;
	return 0;
}

/* COUNT contexts; the client's kernel sends one for each security module. */
static int parse_secctx(const char *body, size_t len, uint32_t count,
			struct extensions *ext)
{
	struct cf_secctx ctx;
	size_t name_len;

	if (count == 0)
		return 0;
	if (count > 1 || len < sizeof(ctx))
		return -EINVAL;
	memcpy(&ctx, body, sizeof(ctx));
	body += sizeof(ctx);
	len -= sizeof(ctx);
	name_len = strnlen(body, len);
	if (name_len == len || ctx.size > len - name_len - 1)
		return -EINVAL;
	if (ctx.size == 0)
		return 0;
	if (strncmp(body, "security.", 9) != 0)
		return -EINVAL;
	ext->secctx_name = body;
	ext->secctx = body + name_len + 1;
	ext->secctx_len = ctx.size;
	return 0;
}

static bool has_acl(struct op *op)
{
	struct fd_name path = fd_name(op->inode->fd);

	return thread_enter_proc(op->dir) < 0 ||
	       getxattr(path.text, "system.posix_acl_access", NULL, 0) > 0;
}

/*
 * Whether S_ISGID goes from what is created in a directory that has it. Since
 * Linux 6.3 the client tells whether the caller is in the directory's group.
 * 6.1 (7.37) does not, but takes the bit off itself. Before that, who may write
 * there only as a member of the group is a member; of others nothing is known.
 */
static void tell_group(struct op *op, mode_t mode, struct extensions *ext)
{
	const struct agreed *agreed = &op->dir->agreed;
	struct stat st;

	if (agreed->flags & CF_INIT_CREATE_SUPP_GROUP)
		return;
	ext->stripped = agreed->minor >= 37;
	if (ext->stripped || S_ISDIR(mode) || !(mode & S_ISGID) ||
	    !(mode & S_IXGRP) || fstat(op->inode->fd, &st) < 0)
		return;
	if ((st.st_mode & (S_ISGID | S_IWGRP | S_IWOTH)) !=
		    (S_ISGID | S_IWGRP) ||
	    op->uid == st.st_uid || has_acl(op))
		return;
	ext->has_group = true;
	ext->group = st.st_gid;
}

int extensions_parse(struct op *op, mode_t mode, struct extensions *ret_ext)
{
	struct extensions ext = { 0 };
	const char *at = op->ext;
	size_t left = op->ext_len;
	int ret = 0;

	while (left >= sizeof(struct cf_ext_header)) {
		struct cf_ext_header header;
		size_t body;

		memcpy(&header, at, sizeof(header));
		if (header.size < sizeof(header) || header.size > left)
			return -EINVAL;
		body = header.size - sizeof(header);
		if (header.type <= CF_MAX_NR_SECCTX)
			ret = parse_secctx(at + sizeof(header), body,
					   header.type, &ext);
		else if (header.type == CF_EXT_GROUPS)
			ret = parse_groups(at + sizeof(header), body, &ext);
		if (ret < 0)
			return ret;
		if (ALIGN8((size_t)header.size) > left)
			break;
		left -= ALIGN8((size_t)header.size);
		at += ALIGN8((size_t)header.size);
	}
	if (ext.has_group) {
		ret = idmap_to_host(op->dir->options->translate_gid, ext.group,
				    &ext.group);
		if (ret < 0)
			return ret;
	}
	tell_group(op, mode, &ext);
	*ret_ext = ext;
	return 0;
}
