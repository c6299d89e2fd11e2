"""How the generator's gradient passes the discriminator. One file each."""
