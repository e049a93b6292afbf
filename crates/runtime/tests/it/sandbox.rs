//! What every sandbox backend must do, and survive. The list at the end runs each test on each backend.

mod engine;
mod escape;
mod late;
mod life;
mod limits;
mod support;

/// Runs each test on each backend; the process backend also without control groups.
macro_rules! on_every_backend {
    ($($topic:ident :: $name:ident),+ $(,)?) => {
        mod process {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let bench = super::support::Bench::process(gristmill_runtime::sandbox::process::CgroupUse::Auto);
                super::$topic::$name(&bench).await;
                bench.finish().await;
            })+
        }
        mod watched {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let bench = super::support::Bench::process(gristmill_runtime::sandbox::process::CgroupUse::Never);
                super::$topic::$name(&bench).await;
                bench.finish().await;
            })+
        }
        mod docker {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let Some(bench) = super::support::Bench::docker().await else { return };
                super::$topic::$name(&bench).await;
                bench.finish().await;
            })+
        }
    };
}

on_every_backend! {
    life::probes_and_tells_its_isolation,
    life::tells_how_a_program_ended,
    life::kill_ends_everything_inside,
    life::dropping_ends_it,
    life::many_wait_for_one_end,
    life::sees_only_the_environment_it_was_given,
    life::refuses_a_spec_that_makes_no_sense,
    life::keeps_the_end_of_a_gigabyte_of_output,
    life::tells_what_it_uses,
    life::a_killed_server_leaves_nothing,
    late::shows_what_is_mounted_later,
    late::counts_what_is_written_to_later_mounts,
    late::shares_no_directory_between_users,
    late::refuses_what_cannot_be_mounted,
    limits::survives_a_fork_bomb,
    limits::ends_a_memory_bomb,
    limits::counts_the_memory_of_all_processes,
    limits::counts_temporary_files_as_memory,
    limits::ends_what_fills_the_disk,
    limits::ends_what_fills_the_disk_with_empty_files,
    limits::ends_what_hides_deleted_files,
    limits::lets_be_removed_what_is_too_much,
    limits::refuses_a_file_that_is_too_big,
    limits::refuses_too_many_open_files,
    escape::reads_no_file_of_the_host,
    escape::follows_no_link_out,
    escape::writes_only_where_it_may,
    escape::reaches_no_network_and_no_socket,
    escape::reaches_no_process_outside,
    escape::has_no_rights_and_gets_none,
    escape::inherits_no_open_file,
}
