//! Xen as the control domain sees it: hypercalls through /dev/xen/privcmd, and what they tell written as the
//! texts that Xen's own tools print.
