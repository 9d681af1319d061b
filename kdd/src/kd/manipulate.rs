//! Requests of the debugger (MANIPULATE packets): one file per request, one table of all.
