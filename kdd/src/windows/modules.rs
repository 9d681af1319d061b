//! PsLoadedModuleList.
