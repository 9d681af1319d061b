//! Keys as WinDbg writes them: four numbers of base 36.
