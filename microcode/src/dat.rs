//! Microcode as text: .dat of Intel, .inc of MASM, .dtsi of U-Boot.
