"""What several families of lowerings are made of; nothing is registered here."""
