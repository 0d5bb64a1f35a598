"""What the payment gateway tells us."""
