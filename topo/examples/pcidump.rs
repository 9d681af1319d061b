fn main() {
    for p in std::env::args().skip(1) {
        let text = std::fs::read(&p).unwrap();
        let t = std::time::Instant::now();
        let l = topo::pci::text::parse(&text);
        let e = t.elapsed();
        println!(
            "{p}: {} functions, {} skipped, {} damage, {:?}",
            l.value.functions.len(),
            l.value.skipped_lines,
            l.damage.len(),
            e
        );
        for d in l.damage.iter().take(8) {
            println!("   {d:?}");
        }
        let tree = topo::pci::tree::build(&l.value.functions);
        for d in tree.damage.iter().take(5) {
            println!("   T {d:?}");
        }
    }
}
