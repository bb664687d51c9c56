#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tune_fuzz::fuzzing::sunos_ipadm_conf(bytes));
