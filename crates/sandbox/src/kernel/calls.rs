//! The system calls of a sandbox, as data.
//!
//! Three tables: calls that are allowed, calls that are allowed but for some arguments, and calls that are refused
//! by name (`EPERM`). A call in none of them does not exist (`ENOSYS`), among them `clone3`, whose flags are in
//! memory where a filter cannot see them and for which libraries fall back to `clone`.

/// Name and number.
pub(super) type Call = (&'static str, i64);

/// Calls that are allowed for one reason.
pub(super) struct Group {
    /// Why they are harmless.
    pub(super) why: &'static str,
    pub(super) calls: &'static [Call],
}

/// A call that is refused for some values of an argument.
pub(super) struct Condition {
    pub(super) call: Call,
    /// Counted from 0; its lower 32 bits are looked at, which is all the kernel looks at for these.
    pub(super) argument: u8,
    pub(super) test: Test,
    pub(super) why: &'static str,
}

/// When a call is refused.
pub(super) enum Test {
    AnyBit(u64),
    Masked { mask: u64, value: u64 },
    NoneOf(&'static [u64]),
    OneOf(&'static [u64]),
}

/// A row of the tables, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SystemCall {
    /// As the manual calls it.
    pub name: &'static str,
    /// What becomes of it.
    pub verdict: CallVerdict,
    /// Why.
    pub why: &'static str,
}

/// What becomes of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallVerdict {
    /// It is carried out.
    Allowed,
    /// It is refused for some arguments.
    Conditional,
    /// It is refused.
    Refused,
}

/// Every call that is not simply unknown inside of a sandbox.
pub fn system_calls() -> Vec<SystemCall> {
    let row = |name: &'static str, verdict, why| SystemCall {
        name: name.strip_prefix("SYS_").unwrap_or(name),
        verdict,
        why,
    };
    let allowed = ALLOWED.iter().flat_map(|group| group.calls.iter().map(move |call| (call, group.why)));
    let allowed = allowed.map(|(call, why)| row(call.0, CallVerdict::Allowed, why));
    let conditional = CONDITIONS.iter().map(|it| row(it.call.0, CallVerdict::Conditional, it.why));
    allowed.chain(conditional).chain(REFUSED.iter().map(|it| row(it.0, CallVerdict::Refused, it.2))).collect()
}

/// The name of a call, and why it is refused; of one that is not in the tables, its number.
pub(super) fn named(number: i64) -> (String, &'static str) {
    let plain = |name: &'static str| name.strip_prefix("SYS_").unwrap_or(name).to_owned();
    let refused = REFUSED.iter().find(|it| it.1 == number).map(|it| (plain(it.0), it.2));
    let conditional =
        || CONDITIONS.iter().find(|it| it.call.1 == number).map(|it| (plain(it.call.0), it.why));
    refused.or_else(conditional).unwrap_or_else(|| (format!("number {number}"), "not known to be harmless"))
}

/// What a call that is not carried out is answered with: as by a kernel that refuses it, or as by one without it.
pub(super) fn answer(number: i64) -> i32 {
    let known = REFUSED.iter().any(|it| it.1 == number) || CONDITIONS.iter().any(|it| it.call.1 == number);
    if known { libc::EPERM } else { libc::ENOSYS }
}

macro_rules! calls {
    ($($name:ident)*) => { &[$((stringify!($name), libc::$name)),*] };
}

macro_rules! refused {
    ($($name:ident $why:literal)*) => { &[$((stringify!($name), libc::$name, $why)),*] };
}

macro_rules! call {
    ($name:ident) => {
        (stringify!($name), libc::$name)
    };
}

/// Calls that libraries make only to fall back when they do not exist. They are answered by the kernel, and nobody is told.
pub(super) const FALLEN_BACK_FROM: &[Call] = calls![SYS_clone3];

pub(super) const ALLOWED: &[Group] = &[
    Group {
        why: "files by descriptor: what can be opened is settled by the mounts and Landlock",
        calls: calls![
            SYS_read SYS_write SYS_pread64 SYS_pwrite64 SYS_readv SYS_writev SYS_preadv SYS_pwritev SYS_preadv2
            SYS_pwritev2 SYS_close SYS_close_range SYS_lseek SYS_dup SYS_dup3 SYS_fcntl SYS_flock SYS_fsync
            SYS_fdatasync SYS_sync_file_range SYS_syncfs SYS_ftruncate SYS_fallocate SYS_fadvise64 SYS_readahead
            SYS_sendfile SYS_splice SYS_tee SYS_copy_file_range SYS_ioctl SYS_pipe2 SYS_getdents64
        ],
    },
    Group {
        why: "files by path, within the mounts and Landlock",
        calls: calls![
            SYS_openat SYS_openat2 SYS_newfstatat SYS_fstat SYS_statx SYS_statfs SYS_fstatfs SYS_faccessat
            SYS_faccessat2 SYS_readlinkat SYS_mkdirat SYS_mknodat SYS_unlinkat SYS_renameat SYS_renameat2 SYS_linkat
            SYS_symlinkat SYS_fchmod SYS_fchmodat SYS_fchmodat2 SYS_fchown SYS_fchownat SYS_utimensat SYS_truncate
            SYS_getcwd SYS_chdir SYS_fchdir SYS_umask SYS_getxattr SYS_lgetxattr SYS_fgetxattr SYS_setxattr
            SYS_lsetxattr SYS_fsetxattr SYS_listxattr SYS_llistxattr SYS_flistxattr SYS_removexattr SYS_lremovexattr
            SYS_fremovexattr SYS_inotify_init1 SYS_inotify_add_watch SYS_inotify_rm_watch SYS_sync
        ],
    },
    Group {
        why: "memory of the process itself",
        calls: calls![
            SYS_mmap SYS_munmap SYS_mremap SYS_mprotect SYS_pkey_alloc SYS_pkey_free SYS_pkey_mprotect SYS_madvise
            SYS_mincore SYS_brk SYS_msync SYS_mlock SYS_mlock2 SYS_munlock SYS_mlockall SYS_munlockall
            SYS_membarrier SYS_get_mempolicy SYS_mseal
        ],
    },
    Group {
        why: "processes and threads of the sandbox: no other can be named inside the namespace of processes",
        calls: calls![
            SYS_clone SYS_execve SYS_exit SYS_exit_group SYS_wait4 SYS_waitid SYS_kill SYS_tkill SYS_tgkill
            SYS_getpid SYS_getppid SYS_gettid SYS_set_tid_address SYS_set_robust_list SYS_get_robust_list
            SYS_rseq SYS_futex SYS_futex_waitv SYS_pidfd_open
            SYS_pidfd_send_signal SYS_setpgid SYS_getpgid SYS_getsid SYS_setsid SYS_prctl SYS_personality
            SYS_getpriority SYS_setpriority SYS_ioprio_get SYS_ioprio_set SYS_sched_yield SYS_sched_getaffinity
            SYS_sched_setaffinity SYS_sched_getparam SYS_sched_setparam SYS_sched_getscheduler
            SYS_sched_setscheduler SYS_sched_get_priority_max SYS_sched_get_priority_min
            SYS_sched_rr_get_interval SYS_sched_getattr SYS_sched_setattr SYS_getrusage SYS_getrlimit
            SYS_setrlimit SYS_prlimit64 SYS_times SYS_getcpu
        ],
    },
    Group {
        why: "signals of the process itself",
        calls: calls![
            SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_rt_sigsuspend SYS_rt_sigpending
            SYS_rt_sigtimedwait SYS_rt_sigqueueinfo SYS_rt_tgsigqueueinfo SYS_sigaltstack SYS_signalfd4
            SYS_restart_syscall
        ],
    },
    Group {
        why: "who it is: without capabilities it can be nobody else",
        calls: calls![
            SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getresuid SYS_getresgid SYS_getgroups SYS_setuid
            SYS_setgid SYS_setreuid SYS_setregid SYS_setresuid SYS_setresgid SYS_setfsuid SYS_setfsgid
            SYS_setgroups SYS_capget SYS_capset
        ],
    },
    Group {
        why: "waiting and time: clocks can be read and not set",
        calls: calls![
            SYS_ppoll SYS_pselect6 SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2 SYS_eventfd2
            SYS_timerfd_create SYS_timerfd_settime SYS_timerfd_gettime SYS_timer_create SYS_timer_settime
            SYS_timer_gettime SYS_timer_getoverrun SYS_timer_delete SYS_getitimer SYS_setitimer SYS_nanosleep
            SYS_clock_nanosleep SYS_clock_gettime SYS_clock_getres SYS_gettimeofday
        ],
    },
    Group {
        why: "sockets of the families below, in a network of its own",
        calls: calls![
            SYS_socket SYS_socketpair SYS_bind SYS_listen SYS_accept SYS_accept4 SYS_connect SYS_getsockname
            SYS_getpeername SYS_sendto SYS_recvfrom SYS_sendmsg SYS_recvmsg SYS_sendmmsg SYS_recvmmsg
            SYS_setsockopt SYS_getsockopt SYS_shutdown
        ],
    },
    Group {
        why: "System V and POSIX queues, in a namespace of its own",
        calls: calls![
            SYS_shmget SYS_shmat SYS_shmdt SYS_shmctl SYS_semget SYS_semop SYS_semtimedop SYS_semctl SYS_msgget
            SYS_msgsnd SYS_msgrcv SYS_msgctl SYS_mq_open SYS_mq_unlink SYS_mq_timedsend SYS_mq_timedreceive
            SYS_mq_notify SYS_mq_getsetattr
        ],
    },
    Group {
        why: "facts about the machine that tell nothing of its other users, and random numbers",
        calls: calls![SYS_uname SYS_sysinfo SYS_getrandom],
    },
    Group {
        why: "a program may confine itself further",
        calls: calls![
            SYS_seccomp SYS_landlock_create_ruleset SYS_landlock_add_rule SYS_landlock_restrict_self
        ],
    },
    #[cfg(target_arch = "x86_64")]
    Group {
        why: "older forms of the above that only this architecture has",
        calls: calls![
            SYS_open SYS_creat SYS_stat SYS_lstat SYS_access SYS_readlink SYS_mkdir SYS_rmdir SYS_unlink SYS_rename
            SYS_link SYS_symlink SYS_chmod SYS_chown SYS_lchown SYS_utime SYS_utimes SYS_futimesat SYS_mknod
            SYS_getdents SYS_dup2 SYS_pipe SYS_poll SYS_select SYS_epoll_create SYS_epoll_wait SYS_eventfd
            SYS_signalfd SYS_inotify_init SYS_fork SYS_vfork SYS_getpgrp SYS_alarm SYS_pause SYS_time
            SYS_arch_prctl
        ],
    },
];

pub(super) const CONDITIONS: &[Condition] = &[
    Condition {
        call: call!(SYS_clone),
        argument: 0,
        test: Test::AnyBit(
            (libc::CLONE_NEWUSER
                | libc::CLONE_NEWNS
                | libc::CLONE_NEWPID
                | libc::CLONE_NEWNET
                | libc::CLONE_NEWIPC
                | libc::CLONE_NEWUTS
                | libc::CLONE_NEWCGROUP) as u64,
        ),
        why: "a new user namespace gives capabilities, and with them a large part of the kernel to attack",
    },
    Condition {
        call: call!(SYS_socket),
        argument: 0,
        test: Test::NoneOf(&[libc::AF_UNIX as u64, libc::AF_INET as u64, libc::AF_INET6 as u64]),
        why: "other families are not confined by the namespace (AF_VSOCK reaches the hypervisor, AF_ALG the \
              kernel's cryptography) or are a way into rarely used code (AF_NETLINK, AF_PACKET)",
    },
    Condition {
        call: call!(SYS_socketpair),
        argument: 0,
        test: Test::NoneOf(&[libc::AF_UNIX as u64]),
        why: "as for sockets",
    },
    Condition {
        call: call!(SYS_ioctl),
        argument: 1,
        test: Test::OneOf(&[libc::TIOCSTI, libc::TIOCLINUX]),
        why: "types into, and pastes into, a terminal that was passed on",
    },
    Condition {
        call: call!(SYS_mknodat),
        argument: 2,
        test: Test::Masked { mask: libc::S_IFMT as u64, value: libc::S_IFCHR as u64 },
        why: "a device",
    },
    Condition {
        call: call!(SYS_mknodat),
        argument: 2,
        test: Test::Masked { mask: libc::S_IFMT as u64, value: libc::S_IFBLK as u64 },
        why: "a device",
    },
    #[cfg(target_arch = "x86_64")]
    Condition {
        call: call!(SYS_mknod),
        argument: 1,
        test: Test::Masked { mask: libc::S_IFMT as u64, value: libc::S_IFCHR as u64 },
        why: "a device",
    },
    #[cfg(target_arch = "x86_64")]
    Condition {
        call: call!(SYS_mknod),
        argument: 1,
        test: Test::Masked { mask: libc::S_IFMT as u64, value: libc::S_IFBLK as u64 },
        why: "a device",
    },
    Condition {
        call: call!(SYS_personality),
        argument: 0,
        test: Test::NoneOf(&[0, 0xffff_ffff]),
        why: "READ_IMPLIES_EXEC and ADDR_NO_RANDOMIZE undo protections; 0 is the ordinary one, ~0 asks",
    },
    Condition {
        call: call!(SYS_prctl),
        argument: 0,
        test: Test::NoneOf(&[
            libc::PR_SET_NAME as u64,
            libc::PR_GET_NAME as u64,
            libc::PR_SET_PDEATHSIG as u64,
            libc::PR_GET_PDEATHSIG as u64,
            libc::PR_SET_DUMPABLE as u64,
            libc::PR_GET_DUMPABLE as u64,
            libc::PR_SET_NO_NEW_PRIVS as u64,
            libc::PR_GET_NO_NEW_PRIVS as u64,
            libc::PR_SET_SECCOMP as u64,
            libc::PR_GET_SECCOMP as u64,
            libc::PR_SET_KEEPCAPS as u64,
            libc::PR_GET_KEEPCAPS as u64,
            libc::PR_CAPBSET_READ as u64,
            libc::PR_CAP_AMBIENT as u64,
            libc::PR_SET_CHILD_SUBREAPER as u64,
            libc::PR_GET_CHILD_SUBREAPER as u64,
            libc::PR_SET_TIMERSLACK as u64,
            libc::PR_GET_TIMERSLACK as u64,
            libc::PR_SET_THP_DISABLE as u64,
            libc::PR_GET_THP_DISABLE as u64,
            libc::PR_SET_VMA as u64,
            libc::PR_GET_SPECULATION_CTRL as u64,
            libc::PR_SET_SPECULATION_CTRL as u64,
        ]),
        why: "what runtimes use; the rest rewrites the process's memory map or belongs to other architectures",
    },
];

pub(super) const REFUSED: &[(&str, i64, &str)] = refused![
    SYS_process_vm_readv "reads another process"
    SYS_process_vm_writev "writes another process"
    SYS_process_madvise "acts on the memory of another process"
    SYS_process_mrelease "acts on the memory of another process"
    SYS_pidfd_getfd "takes descriptors of another process"
    SYS_kcmp "compares kernel objects of other processes"
    SYS_io_uring_setup "a second way to make system calls, which no filter sees"
    SYS_io_uring_enter "a second way to make system calls, which no filter sees"
    SYS_io_uring_register "a second way to make system calls, which no filter sees"
    SYS_userfaultfd "holds the kernel at a chosen place, the usual help of kernel exploits"
    SYS_bpf "loads programs into the kernel"
    SYS_perf_event_open "sees what the processor does for others"
    SYS_add_key "keyrings are shared with the host"
    SYS_request_key "keyrings are shared with the host"
    SYS_keyctl "keyrings are shared with the host"
    SYS_memfd_create "a program that is in no file passes every rule about files"
    SYS_memfd_secret "memory the host cannot look at"
    SYS_execveat "executes what has no path"
    SYS_unshare "makes namespaces, and with them capabilities"
    SYS_setns "enters namespaces"
    SYS_mount "changes what paths mean"
    SYS_umount2 "changes what paths mean"
    SYS_pivot_root "changes what paths mean"
    SYS_chroot "changes what paths mean"
    SYS_open_tree "changes what paths mean"
    SYS_move_mount "changes what paths mean"
    SYS_fsopen "changes what paths mean"
    SYS_fsconfig "changes what paths mean"
    SYS_fsmount "changes what paths mean"
    SYS_fspick "changes what paths mean"
    SYS_mount_setattr "changes what paths mean"
    SYS_name_to_handle_at "half of opening files without their path"
    SYS_open_by_handle_at "opens files without their path"
    SYS_fanotify_init "watches files of others"
    SYS_fanotify_mark "watches files of others"
    SYS_kexec_load "replaces the kernel"
    SYS_init_module "changes the kernel"
    SYS_finit_module "changes the kernel"
    SYS_delete_module "changes the kernel"
    SYS_reboot "ends the machine"
    SYS_swapon "changes the machine's memory"
    SYS_swapoff "changes the machine's memory"
    SYS_syslog "reads the kernel's log"
    SYS_acct "writes a file for every process of the machine"
    SYS_quotactl "changes quotas"
    SYS_vhangup "hangs up a terminal"
    SYS_sethostname "names the machine"
    SYS_setdomainname "names the machine"
    SYS_settimeofday "sets the clock"
    SYS_clock_settime "sets the clock"
    SYS_clock_adjtime "sets the clock"
    SYS_adjtimex "sets the clock"
    SYS_mbind "moves memory between nodes of the machine"
    SYS_set_mempolicy "moves memory between nodes of the machine"
    SYS_migrate_pages "moves memory between nodes of the machine"
    SYS_move_pages "moves memory between nodes of the machine"
    SYS_vmsplice "maps pages into pipes, often the way of kernel exploits"
    SYS_lookup_dcookie "a profiler's"
    SYS_ptrace "reads and writes another process"
];
