/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system calls of a serving process, and what makes each. Where: HERE, by
 * every test of the whole on x86_64 with glibc, which checks just that; SELDOM,
 * there too, but not each time; ELSEWHERE, on another architecture or with
 * another C library.
 */
#ifndef SECCOMP_CALLS_H
#define SECCOMP_CALLS_H

#define HERE(name, reason)	#name
#define SELDOM(name, reason)	#name
#define ELSEWHERE(name, reason) #name

static const char *const serving[] = {
	/* The share. */
	HERE(copy_file_range, "COPY_FILE_RANGE"),
	HERE(dup, "LOOKUP of .."),
	HERE(fallocate, "FALLOCATE"),
	HERE(fchdir, "a thread goes to /proc/self/fd, for xattrs"),
	HERE(fchmodat, "SETATTR"),
	HERE(fchownat, "SETATTR"),
	HERE(fcntl, "locks, flags of open files"),
	ELSEWHERE(fcntl64, "the same on 32 bits"),
	HERE(fdatasync, "FSYNC"),
	HERE(flock, "--flock"),
	ELSEWHERE(fstat, "fstat() of some versions of glibc, and of musl"),
	ELSEWHERE(fstat64, "the same on 32 bits"),
	ELSEWHERE(fstatat64, "newfstatat on 32 bits"),
	HERE(fstatfs, "STATFS"),
	ELSEWHERE(fstatfs64, "the same on 32 bits"),
	HERE(fsync, "FSYNC"),
	HERE(ftruncate, "SETATTR"),
	ELSEWHERE(ftruncate64, "the same on 32 bits"),
	HERE(getdents64, "READDIR"),
	HERE(getxattr, "GETXATTR"),
	HERE(ioctl, "IOCTL"),
	HERE(linkat, "LINK"),
	HERE(listxattr, "LISTXATTR"),
	HERE(lseek, "LSEEK, READDIR"),
	ELSEWHERE(_llseek, "the same on 32 bits"),
	HERE(mkdirat, "MKDIR"),
	HERE(mknodat, "MKNOD"),
	HERE(name_to_handle_at, "a file that is closed and known"),
	HERE(newfstatat, "GETATTR"),
	HERE(open_by_handle_at, "a file that was known and closed"),
	HERE(openat, "LOOKUP, OPEN, CREATE"),
	SELDOM(preadv, "READ that waits for a disk"),
	HERE(preadv2, "READ"),
	HERE(pwritev, "WRITE that may wait"),
	HERE(pwritev2, "WRITE"),
	HERE(readlinkat, "READLINK"),
	HERE(removexattr, "REMOVEXATTR"),
	HERE(renameat, "RENAME"),
	HERE(renameat2, "RENAME2"),
	HERE(setxattr, "SETXATTR"),
	HERE(statx, "STATX, LOOKUP"),
	HERE(symlinkat, "SYMLINK"),
	HERE(syncfs, "SYNCFS"),
	HERE(umask, "CREATE and its like"),
	HERE(unlinkat, "UNLINK"),
	HERE(utimensat, "SETATTR"),
	ELSEWHERE(utimensat_time64, "the same on 32 bits"),
	/* Who asks. */
	HERE(capget, "what may be done for others"),
	HERE(capset, "a request of another user"),
	HERE(getegid, "what may be done for others"),
	ELSEWHERE(getegid32, "the same on 32 bits"),
	HERE(geteuid, "what may be done for others"),
	ELSEWHERE(geteuid32, "the same on 32 bits"),
	HERE(setfsgid, "a request of another user"),
	ELSEWHERE(setfsgid32, "the same on 32 bits"),
	HERE(setfsuid, "a request of another user"),
	ELSEWHERE(setfsuid32, "the same on 32 bits"),
	HERE(setgroups, "a request of a member of a group"),
	ELSEWHERE(setgroups32, "the same on 32 bits"),
	/* The monitor, and waiting. */
	SELDOM(accept4, "listen:'s clients"),
	HERE(close, "everything"),
	HERE(epoll_create1, "a queue's thread"),
	HERE(epoll_ctl, "a queue's thread"),
	ELSEWHERE(epoll_pwait, "epoll_wait() where that is no system call"),
	HERE(epoll_wait, "a queue's thread"),
	SELDOM(eventfd2, "listen:'s clients"),
	SELDOM(getsockopt, "listen:'s clients"),
	SELDOM(io_uring_enter, "mount:, on rings that can only serve it"),
	HERE(poll, "the monitor's messages"),
	ELSEWHERE(ppoll, "poll() where that is no system call"),
	ELSEWHERE(ppoll_time64, "the same on 32 bits"),
	HERE(read, "event descriptors"),
	SELDOM(recvfrom, "listen:unixpacket:'s clients"),
	HERE(recvmsg, "the monitor's messages"),
	SELDOM(restart_syscall, "a wait that a stop (SIGSTOP) has interrupted"),
	HERE(sendmsg, "the monitor's messages"),
	SELDOM(setsockopt, "listen:'s clients"),
	SELDOM(shutdown, "listen:'s clients"),
	HERE(write, "event descriptors, log, --trace"),
	SELDOM(writev, "mount:'s replies"),
	/* Threads. */
	SELDOM(clock_nanosleep, "a lock, or a number, of another program"),
	ELSEWHERE(clock_nanosleep_time64, "the same on 32 bits"),
	HERE(exit, "the end of a thread"),
	HERE(exit_group, "the end"),
	HERE(futex, "mutexes"),
	ELSEWHERE(futex_time64, "the same on 32 bits"),
	HERE(rseq, "glibc, in a new thread"),
	HERE(rt_sigaction, "signals that end the program"),
	HERE(rt_sigprocmask, "a new thread"),
	HERE(rt_sigreturn, "signals that end the program"),
	SELDOM(sched_yield, "a wait that is short"),
	HERE(set_robust_list, "glibc, in a new thread"),
	ELSEWHERE(sigaltstack, "AddressSanitizer, in a new thread"),
	ELSEWHERE(sigreturn, "rt_sigreturn on 32 bits"),
	/* Memory. */
	SELDOM(brk, "malloc() of the main thread"),
	HERE(madvise, "free(), the end of a thread"),
	HERE(mmap, "the guest's memory, malloc()"),
	ELSEWHERE(mmap2, "the same on 32 bits"),
	HERE(mprotect, "malloc(), a new thread"),
	SELDOM(mremap, "realloc() of much"),
	HERE(munmap, "the guest's memory, free()"),
	SELDOM(sched_setaffinity, "mount:, a ring's thread on its processor"),
	SELDOM(sched_getaffinity, "malloc() of many threads"),
	/* The rest. */
	ELSEWHERE(clock_gettime, "a clock outside the vDSO"),
	ELSEWHERE(clock_gettime64, "the same on 32 bits"),
	SELDOM(getpid, "syslog(), abort()"),
	SELDOM(getrandom, "malloc() of some versions of glibc"),
	SELDOM(gettid, "abort()"),
	ELSEWHERE(gettimeofday, "a clock outside the vDSO"),
};

/*
 * And only with --syslog. Where there is socketcall, libseccomp knows what part
 * of it each is.
 */
static const char *const logging[] = {
	SELDOM(connect, "syslog() where its socket was made anew"),
	ELSEWHERE(send, "syslog() on powerpc, arm, mips, alpha, i386, s390x"),
	SELDOM(sendto, "syslog()"),
};

/* And only for vhost:, whose back end may come again. */
static const char *const connecting[] = {
	SELDOM(connect, "the back end's socket"),
	SELDOM(memfd_create, "memory that is shared with the back end"),
};

/* These by their arguments: see seccomp_filter.c. */
static const char *const limited[] = {
	HERE(clone, "a new thread, and nothing else"),
	HERE(clone3, "refused: then the C library uses clone"),
	SELDOM(socket, "syslog(), vhost:'s back end: local ones only"),
	HERE(prlimit64, "how many files may be open: read only"),
	SELDOM(tgkill, "abort(): this process only"),
	HERE(unshare, "a umask for each thread, and nothing else"),
};

#endif
