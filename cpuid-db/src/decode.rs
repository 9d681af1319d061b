//! Every field of every row of a dump, with its value; what no row of the table names is listed as reserved.
