//! Every container of one made-up machine gives the same memory and the same registers.

mod synthetic;

#[test]
fn the_pattern_machine_has_holes_and_two_cpus() {
    let machine = synthetic::machine::Machine::pattern();
    assert_eq!(machine.runs().len(), 2);
    assert_eq!(machine.cpus.len(), 2);
}
