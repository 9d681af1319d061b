//! `xl save` streams: libxl around libxc, versions 2 and 3.
