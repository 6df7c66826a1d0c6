/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages in pieces, and messages whose memory must not be written to. */
#include "../message/bytes.h"
#include "private.h"
#include <errno.h>
#include <limits.h>

/* A message in pieces, and where its head goes. */
struct pieces {
	const struct iovec *iov;
	int count;
	size_t total; /* bytes of the message */
	uint8_t *head;
	size_t head_size;
};

/* Copies the first LEN bytes, which there are, to the head. */
static int gather(const struct pieces *pieces, size_t len)
{
	size_t done = 0;

	if (len > pieces->head_size)
		return -ENOBUFS;
	for (int i = 0; i < pieces->count && done < len; i++) {
		size_t part = pieces->iov[i].iov_len;

		if (part > len - done)
			part = len - done;
		if (part)
			memcpy(pieces->head + done, pieces->iov[i].iov_base,
			       part);
		done += part;
	}
	return 0;
}

/* The message as it is, its HEADER_LEN bytes of header already in the head. */
static int take_pieces(const struct iovec *iov, int count, void *head,
		       size_t head_size, size_t header_len, struct pieces *ret)
{
	size_t total = 0;

	if (!iov || count <= 0 || count == INT_MAX || !head)
		return -EINVAL;
	for (int i = 0; i < count; i++) {
		if (iov[i].iov_len > SIZE_MAX / 2 - total)
			return -EINVAL;
		total += iov[i].iov_len;
	}
	if (total < header_len)
		return -EBADMSG;
	*ret = (struct pieces){ iov, count, total, head, head_size };
	return gather(ret, header_len);
}

/* The head, then what is behind its LEN bytes. Returns how many pieces. */
static int describe(const struct pieces *pieces, size_t len,
		    struct iovec *ret_iov)
{
	size_t skip = len;
	int used = 0;

	ret_iov[used++] = (struct iovec){ pieces->head, len };
	for (int i = 0; i < pieces->count; i++) {
		struct iovec piece = pieces->iov[i];

		if (piece.iov_len <= skip) {
			skip -= piece.iov_len;
			continue;
		}
		piece.iov_base = (uint8_t *)piece.iov_base + skip;
		piece.iov_len -= skip;
		skip = 0;
		ret_iov[used++] = piece;
	}
	return used;
}

int crossfuse_session_request_iov(struct crossfuse_session *session,
				  struct crossfuse_call *call,
				  const struct iovec *iov, int iov_count,
				  void *head, size_t head_size,
				  struct iovec *ret_iov)
{
	struct pieces pieces;
	ssize_t len;
	int err;

	*call = (struct crossfuse_call){ 0 };
	err = take_pieces(iov, iov_count, head, head_size,
			  sizeof(struct cf_in_header), &pieces);
	if (err)
		return err;
	len = crossfuse_request_head_len(session, head, pieces.total);
	/* The whole header is there, so an answer can be addressed. */
	if (len < 0)
		len = sizeof(struct cf_in_header);
	err = gather(&pieces, (size_t)len);
	if (!err)
		err = crossfuse_session_request(session, call, head,
						(size_t)len, pieces.total);
	return err ? err : describe(&pieces, (size_t)len, ret_iov);
}

int crossfuse_session_reply_iov(struct crossfuse_session *session,
				const struct crossfuse_call *call,
				const struct iovec *iov, int iov_count,
				void *head, size_t head_size,
				struct iovec *ret_iov)
{
	struct pieces pieces;
	size_t len;
	int err;

	err = take_pieces(iov, iov_count, head, head_size,
			  sizeof(struct cf_out_header), &pieces);
	if (err)
		return err;
	len = crossfuse_reply_head_len(call, pieces.total);
	err = gather(&pieces, len);
	if (!err)
		err = crossfuse_session_reply(session, call, head, len,
					      pieces.total);
	return err ? err : describe(&pieces, len, ret_iov);
}

int crossfuse_session_notify_iov(struct crossfuse_session *session,
				 const struct iovec *iov, int iov_count,
				 void *head, size_t head_size,
				 struct iovec *ret_iov)
{
	struct pieces pieces;
	ssize_t len;
	int err;

	err = take_pieces(iov, iov_count, head, head_size,
			  sizeof(struct cf_out_header), &pieces);
	if (err)
		return err;
	len = crossfuse_notify_head_len(session, head, pieces.total);
	if (len < 0)
		return (int)len;
	err = gather(&pieces, (size_t)len);
	if (!err)
		err = crossfuse_session_notify(session, head, (size_t)len,
					       pieces.total);
	return err ? err : describe(&pieces, (size_t)len, ret_iov);
}
