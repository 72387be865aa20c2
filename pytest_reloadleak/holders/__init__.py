"""Find what keeps old generations alive, and trace each holder to a root, without judging it."""
