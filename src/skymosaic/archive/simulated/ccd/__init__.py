"""Simulated exposures of the CCD cameras ACS/WFC and WFC3/UVIS: two chips, tables, cosmic rays."""
