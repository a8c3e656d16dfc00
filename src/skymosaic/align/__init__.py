"""TweakReg and TweakBack behind one function, and the gates."""
